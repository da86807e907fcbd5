import { type Backend, currentBackend, type TensorSpec } from "../backends/backend.ts";
import { tensorFromBytes } from "../creation/create.ts";
import type { Tensor } from "../engine/tensor.ts";
import { canQuantizeAs, dtypes, isPacked, type PackedDType } from "../layout/dtype.ts";
import { checkShape } from "../layout/shape.ts";
import { linearInt8 } from "../ops/products/linearInt8.ts";
import { setInt8Matmul } from "../ops/products/linearWithInt8Activations.ts";
import { quantize4bit } from "../ops/quantized/quantize4bit.ts";
import { packedFormat } from "../packed/index.ts";

/**
 * Creates a packed weight from a copy of bytes. Bytes of nf4 and fp4 have the layout of `fourBitLayout`, with a header
 * that agrees with `packing`. Bytes of GGUF dtypes are blocks as in a GGUF file; each row must be whole blocks. For
 * GGUF dtypes, await `backend.prepare(dtype)` first: otherwise ops may throw for lack of a kernel, and q4_0 and q4_1
 * are slower under the precisions "high" and "medium".
 */
export function packedTensor(bytes: Uint8Array, spec: TensorSpec & { dtype: PackedDType; backend?: Backend }): Tensor {
  const { shape, dtype, packing, backend = currentBackend() } = spec;
  checkShape("packedTensor", shape);
  if (!isPacked(dtype)) {
    throw new Error(`packedTensor: ${dtype} is no packed dtype; use ${dtypes.filter(isPacked).join(", ")}`);
  }
  const format = packedFormat(dtype);
  const own = { shape, dtype, packing };
  setInt8Matmul(linearInt8);
  format.check("packedTensor", own);
  if (bytes.byteLength === format.byteLength(own)) format.checkBytes?.("packedTensor", bytes, own);
  return tensorFromBytes("packedTensor", bytes, own, backend);
}

/**
 * Registers the op that `linearWithInt8Activations` calls. `packedTensor` does this too, so call this function only for
 * packed weights that were created in another way, such as by `quantize4bit`.
 */
export function enableInt8Activations(): void {
  setInt8Matmul(linearInt8);
}

/** Quantises x to the dtype and block layout of another weight. Throws for dtypes other than nf4 and fp4. */
export function quantizeAs(x: Tensor, { dtype, packing }: Pick<TensorSpec, "dtype" | "packing">): Tensor {
  if (!canQuantizeAs(dtype)) throw new Error(`quantizeAs: tensors cannot be quantised to ${dtype}; use nf4 or fp4`);
  return quantize4bit(x, { quantType: dtype, blockSize: packing?.blockSize, doubleQuant: packing?.nested });
}
