import { bullQueue, fineTuneWorker, keepFilled, localQueue, s3Objects } from "@lowrank/serve/jobs";
import type { OptionCalls, Untyped } from "./optionCall.ts";

const any: Untyped = {};

/** Calls of queued jobs. */
export const ofJobs: OptionCalls = {
  bullQueue: (o) => bullQueue({ url: "", model: "m", ...o }),
  fineTuneWorker: (o) => fineTuneWorker({ store: any, place: any, train: any, ...o }),
  keepFilled: (o) => keepFilled(any, any, "m", o),
  localQueue,
  s3Objects: (o) => s3Objects({ bucket: "b", ...o }),
};
