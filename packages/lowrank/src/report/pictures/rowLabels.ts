import type { MethodRow } from "../comparison/methodComparison.ts";

/** Returns a label for each row: its name, with rank, quantisation or number if several rows have the name. */
export function rowLabels(rows: readonly MethodRow[]): string[] {
  const ways: readonly ((row: MethodRow, i: number) => string)[] = [
    ({ name }) => name,
    ({ name, rank }) => (rank === null ? name : `${name}, rank ${rank}`),
    ({ name, quantization }) => (quantization === null ? name : `${name}, ${quantization}`),
    ({ name, rank, quantization }) =>
      [name, ...(rank === null ? [] : [`rank ${rank}`]), quantization ?? []].flat().join(", "),
  ];
  const numbered = ways[3];
  const way = ways.find((label) => new Set(rows.map(label)).size === rows.length);
  return rows.map(way ?? ((row, i) => `${i + 1}. ${numbered(row, i)}`));
}
