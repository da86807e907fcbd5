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
 * Returns accuracy and F1 for examples with one class each, computed as in scikit-learn. `f1` is F1 of class 1, and
 * present only with two classes. `f1Macro` is the mean F1 of the classes that occur in labels or predictions. `f1Micro`
 * is F1 from the counts of all classes together.
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

/** An entity in a text: its kind, the index of its first token and the index of its last token, separated by spaces. */
type Entity = `${string} ${number} ${number}`;

/** Splits a label such as "B-PER" at its first dash into the tag "B" and the kind "PER". */
function partsOf(label: string): [tag: string, kind: string] {
  const [, kind = ""] = label.split(/-(.*)/s);
  return [label.slice(0, 1), kind];
}

/**
 * Returns true if an entity ends between two successive tokens, given their tags and kinds. Same rule as CoNLL's
 * script.
 */
function ends([before, kind]: [string, string], [after, next]: [string, string]): boolean {
  if (before === "E" || before === "S") return true;
  if ((before === "B" || before === "I") && ["B", "S", "O"].includes(after)) return true;
  return before !== "O" && before !== "." && kind !== next;
}

/**
 * Returns true if an entity begins at the second of two successive tokens, given their tags and kinds. Same rule as
 * CoNLL's script.
 */
function begins([before, kind]: [string, string], [after, next]: [string, string]): boolean {
  if (after === "B" || after === "S") return true;
  if (["E", "S", "O"].includes(before) && (after === "E" || after === "I")) return true;
  return after !== "O" && after !== "." && kind !== next;
}

/** Returns the entities that the labels of a text's tokens encode, in any of the schemes IOB1, IOB2, IOE and IOBES. */
export function entitiesOf(labels: readonly string[]): Set<Entity> {
  const found = new Set<Entity>();
  let [before, start]: [[string, string], number] = [["O", ""], 0];
  for (const [at, label] of [...labels, "O"].entries()) {
    const now = partsOf(label);
    if (ends(before, now)) found.add(`${before[1]} ${start} ${at - 1}`);
    if (begins(before, now)) start = at;
    before = now;
  }
  return found;
}

/**
 * Returns the fraction of labelled tokens that are correct, and precision, recall and F1 of whole entities, as seqeval
 * does. The entity metrics are omitted if no label looks like "B-PER".
 */
export function entityMetrics(
  { predictions, labelIds }: EvalPrediction,
  names: readonly string[],
): Record<string, number> {
  let [right, tokens, hits, given, wanted] = [0, 0, 0, 0, 0];
  for (const [i, row] of predictions.entries()) {
    right += row.filter((id: number, t: number) => id === labelIds[i][t]).length;
    tokens += row.length;
    const [found, there] = [row, labelIds[i]].map((ids) => entitiesOf(Array.from(ids, (id) => names[id])));
    given += found.size;
    wanted += there.size;
    for (const entity of found) if (there.has(entity)) hits++;
  }
  const accuracy = right / tokens;
  if (!names.some((name) => /^[BISE]-/.test(name))) return { accuracy };
  const [precision, recall] = [hits / given || 0, hits / wanted || 0];
  return { accuracy, precision, recall, f1: (2 * precision * recall) / (precision + recall) || 0 };
}

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
