import fc from "fast-check";
import { configsOf } from "../arbitraries/arbitraryConfig.ts";
import { arbitraryAdapterValues, arbitraryInputs } from "../arbitraries/arbitraryInputs.ts";
import { arbitraryModel } from "../arbitraries/arbitraryModel.ts";
import type { Property } from "../properties/properties.ts";
import { type CasesRun, type PropertyCase, runCase } from "./cases.ts";
import type { GivenParts } from "./fixedCases.ts";

/**
 * Runs a property on cases that fast-check draws. A failing case is shrunk. Cases that do not fit are drawn again, up
 * to 20 times for each run.
 */
export async function runDrawnCases(check: Property, given: GivenParts): Promise<CasesRun & { failed?: PropertyCase }> {
  const unfit = new Set<string>();
  let cases = 0;
  const run = async (one: PropertyCase) => {
    const reason = await runCase(check, one);
    if (reason === null) {
      cases++;
      return;
    }
    unfit.add(reason);
    fc.pre(false);
  };
  const { seed, runs: numRuns } = given;
  const result = await fc.check(fc.asyncProperty(casesOf(given), run), { seed, numRuns, maxSkipsPerRun: 20 });
  const { failed, counterexample, errorInstance, numShrinks } = result;
  const found = { cases, unfit: [...unfit] };
  if (!failed || !counterexample) return { ...found, failure: null, lines: [] };
  const lines = [`Smallest failing case after ${numShrinks} shrinks, drawn by fast-check with seed ${seed}:`];
  return { ...found, failure: errorInstance, lines, failed: counterexample[0] };
}

function casesOf({ method, config, model, inputs, isQuantized }: GivenParts): fc.Arbitrary<PropertyCase> {
  const models = arbitraryModel(isQuantized ? { quantized: ["nf4", "fp4"] } : {});
  return fc.record({
    model: model === undefined ? models : fc.constant(model),
    config: config === undefined ? configsOf(method) : fc.constant(config),
    inputs: inputs === undefined && model === undefined ? arbitraryInputs() : fc.constant(inputs),
    values: arbitraryAdapterValues(),
  });
}
