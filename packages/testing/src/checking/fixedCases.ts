import type { AnyMethod, PeftConfig } from "@lowrank/peft";
import { optionsOf, recipesOf } from "@lowrank/peft";
import type { Property } from "../properties/properties.ts";
import type { AdapterValues } from "../subjects/adapterValues.ts";
import { acceptsTargets, type ConfigDescription, descriptionSettings } from "../subjects/configDescription.ts";
import { defaultInputs, type ModelArguments } from "../subjects/inputs.ts";
import { type ModelDescription, smallestModel } from "../subjects/modelDescription.ts";
import { isLarge, smallValues } from "../subjects/smallOptions.ts";
import type { ModelSubject } from "../subjects/subject.ts";
import { type CasesRun, type PropertyCase, runCase } from "./cases.ts";

/** Parts of the cases that the caller of `checkMethod` gave. Undefined parts are chosen. */
export interface GivenParts {
  readonly method: AnyMethod;
  readonly config?: PeftConfig | ConfigDescription;
  readonly model?: ModelSubject;
  readonly inputs?: ModelArguments;
  /** True if the property needs a quantised model. */
  readonly isQuantized: boolean;
  readonly runs: number;
  readonly seed: number;
}

/** Changes of the smallest model, in the order in which they are tried. */
const models: readonly Partial<ModelDescription>[] = [
  {},
  { layers: 2, width: 8 },
  { dtype: "bf16" },
  { architecture: "gpt2", width: 8 },
  { architecture: "qwen2", dtype: "f16" },
  { architecture: "mistral", quantized: "nf4" },
];
const kinds = ["normal", "large", "half", "tiny"] as const;

/**
 * Runs a property on a fixed list of cases, from simple to complex, without fast-check. Cases that do not fit are left
 * out. Stops at the first failure, which is not shrunk.
 */
export async function runFixedCases(check: Property, given: GivenParts): Promise<CasesRun & { failed?: PropertyCase }> {
  const unfit = new Set<string>();
  let cases = 0;
  // One more round of the models takes the place of cases that do not fit.
  for (let i = 0; cases < given.runs && i < given.runs + models.length; i++) {
    const one = fixedCase(given, i);
    try {
      const reason = await runCase(check, one);
      if (reason === null) cases++;
      else unfit.add(reason);
    } catch (failure) {
      return { cases: cases + 1, unfit: [...unfit], failure, lines: [], failed: one };
    }
  }
  return { cases, unfit: [...unfit], failure: null, lines: [] };
}

function fixedCase({ method, config, model, inputs, isQuantized, seed }: GivenParts, i: number): PropertyCase {
  const values: AdapterValues = { kind: kinds[i % kinds.length], seed: seed + i };
  const description = { ...smallestModel, seed: seed + i, ...models[i % models.length] };
  const recipes = recipesOf(method);
  const chosen: ConfigDescription = {
    method: method.peftType,
    recipe: recipes[i % recipes.length].name,
    targetModules: acceptsTargets(method) ? "all-linear" : null,
    options: smallOptions(method),
  };
  return {
    model: model ?? (isQuantized ? { ...description, quantized: i % 2 === 0 ? "nf4" : "fp4" } : description),
    config: config ?? chosen,
    inputs: inputs ?? (model === undefined ? { ...defaultInputs, seed } : undefined),
    values,
  };
}

/** Returns small values for the options whose defaults are too large for a small model. */
function smallOptions(method: AnyMethod): Record<string, unknown> {
  const plain = recipesOf(method)[0].config({ ...descriptionSettings, targetModules: null });
  const large = optionsOf(method).filter((option) => isLarge(plain, option));
  return Object.fromEntries(large.map((option) => [option.field, smallValues(option)[0]]));
}
