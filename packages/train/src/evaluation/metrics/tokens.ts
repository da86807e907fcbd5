import type { EvalPrediction } from "./metricOptions.ts";

/**
 * Returns the share of labelled tokens that are the likeliest ones, and the share of examples all
 * of whose labelled tokens are: those that greedy decoding gives from their prompts.
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
