import type { EvalPrediction } from "./metricOptions.ts";

/** Number of correct and wrong predictions of one class. */
interface Counts {
  hits: number;
  /** False positives: examples of other classes predicted as this one. */
  wrong: number;
  /** False negatives: examples of this class predicted as another. */
  missed: number;
}

/** Returns the F1 score 2 hits / (2 hits + wrong + missed), or 0 without hits. */
function f1Of({ hits, wrong, missed }: Counts): number {
  return hits === 0 ? 0 : (2 * hits) / (2 * hits + wrong + missed);
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

/** Returns the index of a row's largest value; the first one if there are several. */
function largest(row: Float32Array | Int32Array): number {
  return (row as Float32Array).reduce((at, value, i) => (value > row[at] ? i : at), 0);
}

/**
 * Returns accuracy and F1 for examples with one class each, as scikit-learn does. `f1` is F1 of class 1, only for two
 * classes. `f1Macro` is the mean F1 of the classes that occur in labels or predictions. `f1Micro` is F1 with the counts
 * of all classes added up.
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
 * Returns F1 for examples with several labels each, and the fraction of examples whose labels are all correct. A label
 * counts as predicted if its logit is above 0.
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
  const sum = (key: keyof Counts) => labels.map((counts) => counts[key]).reduce((a, b) => a + b);
  return {
    f1Macro: mean(labels.map(f1Of)),
    f1Micro: f1Of({ hits: sum("hits"), wrong: sum("wrong"), missed: sum("missed") }),
    exactMatch: exact / predictions.length,
  };
}
