import type { TensorSpec } from "../backend.ts";
import { canQuantizeAs } from "../dtype.ts";
import { quantize4bit } from "../ops/quantize4bit.ts";
import type { Tensor } from "../tensor.ts";

/**
 * Packs x as a weight of the given dtype and packing is. Throws for dtypes that
 * tensors are not packed in here.
 */
export function quantizeAs(x: Tensor, { dtype, packing }: Pick<TensorSpec, "dtype" | "packing">): Tensor {
  if (!canQuantizeAs(dtype)) throw new Error(`quantizeAs: no tensor is packed as ${dtype} here; use nf4 or fp4`);
  return quantize4bit(x, { quantType: dtype, blockSize: packing?.blockSize, doubleQuant: packing?.nested });
}
