import { ofAdapterStore } from "./ofAdapterStore.ts";
import { ofCore } from "./ofCore.ts";
import { ofJobs } from "./ofJobs.ts";
import { ofModels } from "./ofModels.ts";
import { ofNN } from "./ofNN.ts";
import { ofPeft } from "./ofPeft.ts";
import { ofServe } from "./ofServe.ts";
import { ofTrain } from "./ofTrain.ts";
import { ofWorker } from "./ofWorker.ts";
import type { OptionCalls } from "./optionCall.ts";

/**
 * A call of each public function that takes options, by its name. A class stands as `new Linear`,
 * its methods as `PeftModel#addAdapter`, static ones as `Linear.create`; behind a colon stands an
 * option that has options of its own.
 */
export const optionCalls: OptionCalls = {
  ...ofCore,
  ...ofNN,
  ...ofModels,
  ...ofPeft,
  ...ofTrain,
  ...ofServe,
  ...ofWorker,
  ...ofAdapterStore,
  ...ofJobs,
};
