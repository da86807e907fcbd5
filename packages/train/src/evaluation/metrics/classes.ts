import type { EvalPrediction } from "./metricOptions.ts";

/** Right and wrong answers about one class. */
interface Counts {
  hits: number;
  /** Examples of other classes that were given this one. */
  wrong: number;
  /** Examples of this class that were given another one. */
  missed: number;
}

/** 2 hits / (2 hits + wrong + missed), and 0 where there is none of these. */
function f1Of({ hits, wrong, missed }: Counts): number {
  return hits === 0 ? 0 : (2 * hits) / (2 * hits + wrong + missed);
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

/** Returns the position of the largest number, the first of several. */
function largest(row: Float32Array | Int32Array): number {
  let at = 0;
  for (let i = 1; i < row.length; i++) if (row[i] > row[at]) at = i;
  return at;
}

/**
 * Returns accuracy and F1 of examples that have one class each, as scikit-learn has them: `f1` is
 * that of class 1 where there are two classes; `f1Macro` is the mean over classes that are given
 * or found; `f1Micro` is F1 over all answers.
 */
export function classMetrics({ predictions, labelIds }: EvalPrediction): Record<string, number> {
  const count = predictions[0].length;
  const classes = Array.from({ length: count }, (): Counts => ({ hits: 0, wrong: 0, missed: 0 }));
  let right = 0;
  for (const [i, row] of predictions.entries()) {
    const [found, [label]] = [largest(row), labelIds[i]];
    if (found === label) {
      classes[label].hits++;
      right++;
      continue;
    }
    classes[found].wrong++;
    classes[label].missed++;
  }
  const met = classes.filter(({ hits, wrong, missed }) => hits + wrong + missed > 0);
  const accuracy = right / predictions.length;
  return {
    accuracy,
    ...(count === 2 && { f1: f1Of(classes[1]) }),
    f1Macro: mean(met.map(f1Of)),
    f1Micro: accuracy,
  };
}

/**
 * Returns F1 of examples with several labels at once, each of which is given where its logit is
 * above 0, and the share of examples all of whose labels are right.
 */
export function labelMetrics({ predictions, labelIds }: EvalPrediction): Record<string, number> {
  const labels = Array.from({ length: predictions[0].length }, (): Counts => ({ hits: 0, wrong: 0, missed: 0 }));
  let exact = 0;
  for (const [i, row] of predictions.entries()) {
    let same = true;
    for (const [label, counts] of labels.entries()) {
      const [found, there] = [row[label] > 0, labelIds[i][label] > 0.5];
      if (found && there) counts.hits++;
      else if (found) counts.wrong++;
      else if (there) counts.missed++;
      same &&= found === there;
    }
    if (same) exact++;
  }
  const sum = (key: keyof Counts) => labels.reduce((total, counts) => total + counts[key], 0);
  return {
    f1Macro: mean(labels.map(f1Of)),
    f1Micro: f1Of({ hits: sum("hits"), wrong: sum("wrong"), missed: sum("missed") }),
    exactMatch: exact / predictions.length,
  };
}
