// For the repository's own scripts; what is published has no such entry.
import type { PeftConfig } from "../config/peftConfig.ts";
import { type MethodCase, methodCases } from "./methodCases.ts";
import { TinyModel, tinyBatch } from "./tinyModel.ts";
import { torchBin } from "./torchBin.ts";

const byName: ReadonlyMap<string, MethodCase> = new Map(
  Object.entries(methodCases).flatMap(([type, cases]) => cases.map((one) => [`${type}: ${one.name}`, one] as const)),
);

/** The configurations of all cases, by method and name. */
const caseConfigs: ReadonlyMap<string, PeftConfig> = new Map(
  Array.from(byName, ([name, { config }]) => [name, config]),
);

/** Makes the model that the adapter of a case is for; a plain one for other names. */
function modelOfCase(name: string): TinyModel {
  return new TinyModel(byName.get(name)?.model);
}

export { caseConfigs, modelOfCase, tinyBatch, torchBin };
