import { plannedSteps, toPeftConfig } from "../../cli/options/adapterConfig.ts";
import { parseTrainOptions } from "../../fineTuning/trainOptions.ts";
import type { ComparedModel } from "../../report/comparison/comparedModel.ts";
import { compareMethods } from "../../report/comparison/compareMethods.ts";
import type { MethodComparison } from "../../report/comparison/methodComparison.ts";
import { qualityOf, withQuality } from "../../report/comparison/paretoFront.ts";
import { findMethods } from "../../report/methods.ts";
import { shortName } from "../../report/shortName.ts";
import type { SweepPlan } from "./sweepFile.ts";
import { describeTrial, lossOf, type TrialResult } from "./sweepResults.ts";

/**
 * Compares the adapters of a sweep's trials: their costs on the model, with the loss as quality. Trials without a loss
 * are left out. Each row has the name of its trial, such as "lr 0.001, r 8". Returns null if no trial has a loss.
 */
export async function sweepComparison(
  model: ComparedModel,
  { model: source, shared, validation }: SweepPlan,
  results: readonly TrialResult[],
): Promise<MethodComparison | null> {
  const metric = validation === null ? "training loss" : "validation loss";
  const compared = results.flatMap((result) => {
    const loss = result.status === "succeeded" ? lossOf(result) : null;
    if (loss === null) return [];
    const options = parseTrainOptions({ ...shared, ...result.options });
    const [method] = findMethods([options.method]);
    const config = toPeftConfig(method, options, plannedSteps);
    return [{ name: describeTrial(result.options), config, quality: qualityOf(metric, [loss], false) }];
  });
  if (compared.length === 0) return null;
  const methods = compared.map(({ name, config }) => ({ name, config }));
  const comparison = await compareMethods(model, methods, { source: shortName(source) });
  const qualities = new Map(compared.map(({ name, quality }) => [name, quality]));
  return withQuality(
    comparison,
    comparison.rows.map(({ name }) => qualities.get(name) ?? null),
  );
}
