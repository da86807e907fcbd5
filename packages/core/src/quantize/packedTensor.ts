import { type Backend, currentBackend, type TensorSpec } from "../backends/backend.ts";
import { tensorFromBytes } from "../creation/create.ts";
import type { Tensor } from "../engine/tensor.ts";
import { dtypes, isPacked, type PackedDType } from "../layout/dtype.ts";
import { checkShape } from "../layout/shape.ts";
import { linearInt8 } from "../ops/products/linearInt8.ts";
import { setInt8Matmul } from "../ops/products/linearWithInt8Activations.ts";
import { packedFormat } from "../packed/index.ts";
import { supportsInt8Activations } from "../packed/supportsInt8Activations.ts";

/**
 * A packed weight from its bytes, which are copied: nf4 and fp4 as `byteLength` lays them
 * out, with a header that agrees with `packing`; types of GGUF as blocks of such a file,
 * whole ones in every row. For these await `backend.prepare(dtype)` before: without it some have no
 * kernels, which is an error, and q4_0 and q4_1 have no products with their 4-bit codes under the
 * precisions "high" and "medium".
 */
export function packedTensor(bytes: Uint8Array, spec: TensorSpec & { dtype: PackedDType; backend?: Backend }): Tensor {
  const { shape, dtype, packing, backend = currentBackend() } = spec;
  checkShape("packedTensor", shape);
  if (!isPacked(dtype)) {
    throw new Error(`packedTensor: ${dtype} is no packed dtype; use ${dtypes.filter(isPacked).join(", ")}`);
  }
  const format = packedFormat(dtype);
  const own = { shape, dtype, packing };
  if (supportsInt8Activations(own)) setInt8Matmul(linearInt8);
  format.check("packedTensor", own);
  if (bytes.byteLength === format.byteLength(own)) format.checkBytes?.("packedTensor", bytes, own);
  return tensorFromBytes("packedTensor", bytes, own, backend);
}
