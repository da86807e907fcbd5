import type { MethodRow } from "../comparison/methodComparison.ts";
import { targetsText } from "../comparison/targetsText.ts";

/** Parts that a label adds to a row's name. An empty text is left out. */
const parts: readonly ((row: MethodRow) => string | null)[] = [
  ({ rank }) => (rank === null ? null : `rank ${rank}`),
  targetsText,
  ({ quantization }) => quantization,
];

/** Sets of parts, smallest first. */
const choices = [[], [0], [2], [1], [0, 2], [0, 1], [1, 2], [0, 1, 2]] as const;

const labelOf = (row: MethodRow, choice: readonly number[]): string =>
  [row.name, ...choice.flatMap((part) => parts[part](row) ?? [])].join(", ");

/**
 * Returns a label for each row: its name, with as few of rank, targets and quantisation as make the labels differ. Rows
 * that are equal in all of these also get a number.
 */
export function rowLabels(rows: readonly MethodRow[]): string[] {
  const all = choices.map((choice) => rows.map((row) => labelOf(row, choice)));
  const different = all.find((labels) => new Set(labels).size === rows.length);
  return different ?? all[all.length - 1].map((label, i) => `${i + 1}. ${label}`);
}
