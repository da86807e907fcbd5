import type { EvalPrediction } from "./metricOptions.ts";

/**
 * Returns the fraction of labelled tokens to which the model gives the highest probability (`accuracy`), and the
 * fraction of examples in which this is true for all labelled tokens (`exactMatch`). For such an example, greedy
 * decoding would reproduce the labelled tokens.
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
