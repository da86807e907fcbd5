import { LoraConfig } from "@lowrank/peft";
import { buildConfig, mergeEqualsUnmerged, runSuite, smallestModel } from "@lowrank/testing";
import { tinyLlama } from "../tinyLlama.ts";
import type { OptionCalls } from "./optionCall.ts";

const config = new LoraConfig({ r: 2, targetModules: "all-linear" });

/** Calls of the functions of @lowrank/testing that accept options. */
export const ofTesting: OptionCalls = {
  buildConfig: (options) => buildConfig({ method: "LORA", targetModules: null, options: {}, ...options }),
  runSuite: (options) => runSuite({}, { model: tinyLlama(), adapter: "x", ...options } as never),
  mergeEqualsUnmerged: (options) => mergeEqualsUnmerged(smallestModel, config, options),
};
