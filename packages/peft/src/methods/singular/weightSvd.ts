import { isPacked, type Svd, truncatedSvd } from "@lowrank/core";
import type { Linear } from "@lowrank/nn";
import { UnsupportedError } from "../../config/checks.ts";
import type { PeftConfig } from "../../config/peftConfig.ts";
import { fullWeight } from "../lora/factors.ts";
import type { LayerContext } from "../shared/method.ts";

/**
 * Returns the `rank` largest singular values of a layer's weight [out, in] with their vectors, computed in f64. On a
 * backend without data, all values are zero. Throws if the weight is quantised: the message names the layer.
 */
export async function weightSvd(context: LayerContext<PeftConfig>, rank: number): Promise<Svd> {
  const { inFeatures, outFeatures } = context.base as Linear;
  const zero = (size: number) => new Float64Array(size);
  if (context.backend.dataless)
    return { values: zero(rank), left: zero(rank * outFeatures), right: zero(rank * inFeatures) };
  const svd = truncatedSvd(await weightValues(context), outFeatures, inFeatures, rank);
  complete(svd.left, outFeatures);
  complete(svd.right, inFeatures);
  return svd;
}

/**
 * Returns the values of a layer's weight [out, in], which a method decomposes. Throws if the weight is quantised: the
 * message names the layer.
 */
export async function weightValues({
  base,
  kind,
  path,
  config,
}: Pick<LayerContext<PeftConfig>, "base" | "kind" | "path" | "config">): Promise<Float32Array> {
  const { weight } = base as Linear;
  if (isPacked(weight.dtype)) {
    const fix = "load the model without quantize, and call quantizeBase after the adapter was created or loaded";
    const problem = `${path} is ${weight.dtype}, but ${config.peftType} needs singular vectors of its weight: ${fix}`;
    throw new UnsupportedError("needs_full_weights", problem);
  }
  using w = fullWeight(weight, kind === "conv1d");
  return (await w.data()) as Float32Array;
}

/**
 * Replaces rows of zeros, [n, size], by unit vectors that are orthogonal to all other rows. `truncatedSvd` returns
 * zeros as the vectors of a singular value of zero.
 */
export function complete(rows: Float64Array, size: number): void {
  const vectors = Array.from({ length: rows.length / size }, (_, i) => rows.subarray(i * size, (i + 1) * size));
  let axis = 0;
  for (const vector of vectors.filter((one) => one.every((x) => x === 0))) {
    do {
      vector.fill(0);
      vector[axis++] = 1;
      // Twice, since the first pass leaves rounding errors where little remains.
      for (const other of [...vectors, ...vectors]) if (other !== vector) subtractPart(vector, other);
    } while (Math.hypot(...vector) < 1e-3 && axis < size);
    const length = Math.hypot(...vector);
    for (let i = 0; i < size; i++) vector[i] /= length;
  }
}

/** Subtracts from `vector` its part along the unit vector `other`. */
function subtractPart(vector: Float64Array, other: Float64Array): void {
  let part = 0;
  for (let i = 0; i < vector.length; i++) part += vector[i] * other[i];
  for (let i = 0; i < vector.length; i++) vector[i] -= part * other[i];
}

/** Returns the transpose of rows [n, size] as f32, [size, n]. */
export function asColumns(rows: Float64Array, size: number): Float32Array {
  const n = rows.length / size;
  return Float32Array.from({ length: rows.length }, (_, i) => rows[(i % n) * size + Math.floor(i / n)]);
}
