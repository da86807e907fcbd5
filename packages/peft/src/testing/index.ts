// Test helpers for the repository's scripts. The published package does not contain this entry.
import type { PeftConfig } from "../config/peftConfig.ts";
import { type MethodCase, methodCases } from "./methodCases.ts";
import { ModuleNet, type NetLayer, netInputs } from "./moduleNet.ts";
import { TinyModel, tinyBatch } from "./tinyModel.ts";
import { torchBin } from "./torchBin.ts";

const byName: ReadonlyMap<string, MethodCase> = new Map(
  Object.entries(methodCases).flatMap(([type, cases]) => cases.map((one) => [`${type}: ${one.name}`, one] as const)),
);

/** The configurations of all cases, by method and name. */
const caseConfigs: ReadonlyMap<string, PeftConfig> = new Map(
  Array.from(byName, ([name, { config }]) => [name, config]),
);

/** Returns the model for the adapter of a case, or a plain model for other names. */
function modelOfCase(name: string): TinyModel {
  return new TinyModel(byName.get(name)?.model);
}

export { caseConfigs, ModuleNet, modelOfCase, type NetLayer, netInputs, tinyBatch, torchBin };
