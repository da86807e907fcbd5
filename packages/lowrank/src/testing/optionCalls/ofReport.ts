import { LoraConfig } from "../../index.gen.ts";
import { compareMethods, sweepMethods, toVegaLite } from "../../report.ts";
import { tinyConfig } from "../tinyLlama.ts";
import type { OptionCalls } from "./optionCall.ts";

const config = () => new LoraConfig({ targetModules: "all-linear" });

/** Calls of the entry "lowrank/report". */
export const ofReport: OptionCalls = {
  compareMethods: (o) => compareMethods(tinyConfig, [config()], o),
  "compareMethods: quantization": (o) => compareMethods(tinyConfig, [config()], { quantization: o }),
  sweepMethods: (o) => sweepMethods(tinyConfig, [config()], { metric: "loss", evaluate: () => 1, ...o }),
  toVegaLite: async (o) => toVegaLite(await compareMethods(tinyConfig, [config()]), o),
};
