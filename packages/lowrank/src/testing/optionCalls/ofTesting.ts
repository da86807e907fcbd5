import { LoraConfig } from "@lowrank/peft";
import * as testing from "@lowrank/testing";
import { arbitraryInputs, arbitraryModel } from "@lowrank/testing/fast-check";
import { tinyLlama } from "../tinyLlama.ts";
import type { OptionCalls } from "./optionCall.ts";

const config = new LoraConfig({ r: 2, targetModules: "all-linear" });

/** Calls of the functions of @lowrank/testing that accept options. */
export const ofTesting: OptionCalls = {
  ...Object.fromEntries(
    Object.entries(testing.properties).map(([name, check]) => [
      name,
      (options: object) => check(testing.smallestModel, config, options),
    ]),
  ),
  arbitraryInputs,
  arbitraryModel,
  buildConfig: (options) => testing.buildConfig({ method: "LORA", targetModules: null, options: {}, ...options }),
  checkMethod: (options) => testing.checkMethod(config, options),
  runSuite: (options) => testing.runSuite({}, { model: tinyLlama(), adapter: "x", ...options } as never),
};
