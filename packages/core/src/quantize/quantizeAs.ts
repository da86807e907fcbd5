import type { TensorSpec } from "../backends/backend.ts";
import type { Tensor } from "../engine/tensor.ts";
import { canQuantizeAs } from "../layout/dtype.ts";
import { quantize4bit } from "../ops/quantized/quantize4bit.ts";

/** Quantises x to the dtype and block layout of another weight. Throws for dtypes other than nf4 and fp4. */
export function quantizeAs(x: Tensor, { dtype, packing }: Pick<TensorSpec, "dtype" | "packing">): Tensor {
  if (!canQuantizeAs(dtype)) throw new Error(`quantizeAs: tensors cannot be quantised to ${dtype}; use nf4 or fp4`);
  return quantize4bit(x, { quantType: dtype, blockSize: packing?.blockSize, doubleQuant: packing?.nested });
}
