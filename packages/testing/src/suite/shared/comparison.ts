import { compareScores, type PairedScores } from "../../statistics/compareScores.ts";
import { holm } from "../../statistics/holm.ts";
import { digits, fact, total } from "./check.ts";
import type { ComparisonOptions } from "./suite.ts";
import type { SuiteCheck, SuiteDifference, SuiteReport } from "./suiteReport.ts";

/** Scores of both adapters by one metric; a is the tested adapter. */
export interface ComparedMetric extends PairedScores {
  readonly metric: SuiteDifference["metric"];
  /** True if larger scores are better. */
  readonly largerIsBetter: boolean;
}

/**
 * Compares two adapters by several metrics. The p-values are corrected by Holm's method, so that the probability of any
 * false alarm is at most alpha. A metric with NaN or infinite scores is not compared, and fails its check.
 */
export function compareAdapters(
  metrics: readonly ComparedMetric[],
  { alpha = 0.05, resamples = 10_000, seed = 0 }: ComparisonOptions = {},
): { comparison: NonNullable<SuiteReport["comparison"]>; checks: SuiteCheck[] } {
  const finite = metrics.filter(({ a, b }) => Number.isFinite(total(a)) && Number.isFinite(total(b)));
  const found = finite.map((metric) => compareScores(metric, { resamples, seed, alpha }));
  const corrected = holm(found.map(({ p }) => p));
  const rows = finite.map(({ metric, largerIsBetter, a, b, sizes }, i): SuiteDifference => {
    const parts = sizes ? total(sizes) : a.length;
    const isBetter = found[i].difference > 0 === largerIsBetter;
    const verdict = corrected[i] > alpha ? "no difference" : isBetter ? "better" : "worse";
    const means = { adapter: total(a) / parts, against: total(b) / parts };
    return { metric, ...means, ...found[i], corrected: corrected[i], verdict };
  });
  const checks = metrics.map(({ metric }): SuiteCheck => {
    const row = rows.find((one) => one.metric === metric);
    if (!row) return fact("against", metric, false, "some scores are NaN or infinite, so they cannot be compared");
    const { verdict, adapter, against, corrected: p } = row;
    const limits = { value: p, limit: alpha };
    return fact(
      "against",
      metric,
      verdict !== "worse",
      `${verdict}: ${digits(adapter)} against ${digits(against)}, ${details(row, alpha)}`,
      limits,
    );
  });
  return { comparison: { alpha, resamples, seed, rows }, checks };
}

function details({ low, high, corrected, items, differing }: SuiteDifference, alpha: number): string {
  const interval = `${digits(100 * (1 - alpha))} % interval of the difference ${digits(low)} to ${digits(high)}`;
  return `${interval}, corrected p ${digits(corrected)}, ${differing} of ${items} items differ`;
}
