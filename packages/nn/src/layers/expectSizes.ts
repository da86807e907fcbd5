/**
 * Throws unless all sizes of a fresh layer are whole numbers above 0. `example` is code for the error message that
 * creates a layer.
 */
export function expectSizes(layer: string, sizes: readonly unknown[], example: string): void {
  if (sizes.every((size) => Number.isInteger(size) && (size as number) > 0)) return;
  throw new Error(`${layer}: sizes are ${sizes.join(" and ")}; all must be whole numbers above 0, as in ${example}`);
}

/**
 * Returns the length of the last dimension, over which a norm is taken. `shape` is that length, or an array with only
 * that length.
 */
export function normalizedSize(layer: string, shape: number | readonly number[]): number {
  const sizes = typeof shape === "number" ? [shape] : shape;
  expectSizes(layer, sizes, `new ${layer}(64)`);
  if (sizes.length === 1) return sizes[0];
  throw new Error(`${layer}: the shape is [${sizes}]; it normalises the last dimension alone, as in new ${layer}(64)`);
}
