import type { EvalPrediction } from "./metricOptions.ts";

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
