import type { EvalPrediction } from "./metricOptions.ts";

/**
 * Returns the share of labelled tokens that are the most likely ones, and the share of examples for which all are. For
 * these, greedy decoding would reproduce the labelled tokens from the prompt.
 */
export function tokenMetrics({ predictions, labelIds }: EvalPrediction): Record<string, number> {
  let [right, all, exact] = [0, 0, 0];
  for (const [i, row] of predictions.entries()) {
    const hits = row.filter((id: number, t: number) => id === labelIds[i][t]).length;
    right += hits;
    all += row.length;
    if (hits === row.length) exact++;
  }
  return { accuracy: right / all, exactMatch: exact / predictions.length };
}
