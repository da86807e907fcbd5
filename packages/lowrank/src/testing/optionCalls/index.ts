import { ofCore } from "./ofCore.ts";
import { ofModels } from "./ofModels.ts";
import { ofNN } from "./ofNN.ts";
import { ofPeft } from "./ofPeft.ts";
import { ofReport } from "./ofReport.ts";
import { ofServe } from "./ofServe.ts";
import { ofTesting } from "./ofTesting.ts";
import { ofTrain } from "./ofTrain.ts";
import { ofWorker } from "./ofWorker.ts";
import type { OptionCalls } from "./optionCall.ts";

/**
 * Calls of the public functions that accept options, by name. Constructors are named `new Linear`, methods
 * `PeftModel#addAdapter`, and static methods `Linear.create`. A name after a colon is an option with its own options.
 */
export const optionCalls: OptionCalls = {
  ...ofCore,
  ...ofNN,
  ...ofModels,
  ...ofPeft,
  ...ofTrain,
  ...ofTesting,
  ...ofReport,
  ...ofServe,
  ...ofWorker,
};
