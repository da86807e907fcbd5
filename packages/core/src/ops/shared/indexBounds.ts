/** Returns the error for an index outside 0..size-1. */
export function indexError(op: string, size: number, index: number): Error {
  return new Error(`${op}: index ${index} is out of range for ${size} entries; use 0..${size - 1}`);
}

/** Returns `index`. Throws if it is not in 0..size-1. */
export function checkIndex(op: string, index: number, size: number): number {
  if (index < 0 || index >= size) throw indexError(op, size, index);
  return index;
}
