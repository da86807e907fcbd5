/**
 * Splits a list into groups of at most `most` items. The length of each group is a multiple of `unit`, so that `unit`
 * items that belong together stay in one group.
 */
export function groupsOf<T>(items: readonly T[], unit: number, most: number): T[][] {
  const length = Math.floor(most / unit) * unit;
  return Array.from({ length: Math.ceil(items.length / length) }, (_, i) => items.slice(i * length, (i + 1) * length));
}
