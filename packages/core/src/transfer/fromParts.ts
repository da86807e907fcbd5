import { type Backend, currentBackend } from "../backends/backend.ts";
import { byteLength } from "../backends/packedFormat.ts";
import { fromBytes } from "../creation/create.ts";
import { scope } from "../engine/scope.ts";
import { allocate, type Tensor } from "../engine/tensor.ts";
import { yieldIfDue } from "../internal/longTasks.ts";
import { checkDType } from "../layout/checkDType.ts";
import { bytesPerElement, type ElementDType } from "../layout/dtype.ts";
import { checkShape, formatShape, type Shape, sizeOf } from "../layout/shape.ts";
import { cacheWrite } from "../ops/attention/cacheWrite.ts";
import { reshape } from "../ops/shapes/reshape.ts";
import { to } from "../ops/unary/to.ts";

/** Options of `fromParts`: the shape, the dtypes, and the backend. */
export interface PartsSpec {
  readonly shape: Shape;
  /** Dtype of the bytes in the parts. */
  readonly dtype: ElementDType;
  /** Dtype of the tensor. Default: the dtype of the parts. */
  readonly to?: ElementDType;
  /** The backend of the tensor. Default: the backend set by `init`. */
  readonly backend?: Backend;
}

/**
 * Creates a tensor from consecutive parts of little-endian bytes; each part must consist of whole elements. Each part
 * is copied and converted to the tensor's dtype before the next part is requested. Memory thus holds the tensor and one
 * part, never all parts. Throws if the total number of bytes does not match the shape.
 */
export async function fromParts(parts: AsyncIterable<Uint8Array>, spec: PartsSpec): Promise<Tensor> {
  const { shape, dtype, to: wanted = dtype, backend = currentBackend() } = spec;
  for (const one of [dtype, wanted]) checkDType("fromParts", one);
  checkShape("fromParts", shape);
  const [each, size] = [bytesPerElement(dtype), sizeOf(shape)];
  const made = (part: Uint8Array, as: Shape): Tensor =>
    scope(() => {
      const stored = fromBytes(part, as, dtype, backend);
      return wanted === dtype ? stored : to(stored, { dtype: wanted });
    });
  let out: Tensor | undefined;
  try {
    let position = 0;
    for await (const part of parts) {
      const count = part.length / each;
      if (count === size && !out) {
        out = made(part, shape);
      } else if (position + count <= size) {
        const whole = out ?? allocate({ shape, dtype: wanted }, backend);
        out = whole;
        scope(() => void cacheWrite(reshape(whole, { shape: [1, size] }), made(part, [1, count]), { position }));
      }
      position += count;
      await yieldIfDue();
    }
    if (position !== size) {
      throw new Error(`fromParts: ${dtype} ${formatShape(shape)} takes ${each * size} bytes, got ${each * position}`);
    }
    return out ?? allocate({ shape, dtype: wanted }, backend);
  } catch (error) {
    out?.dispose();
    throw error;
  }
}

/**
 * Overwrites a tensor's elements, in place, with little-endian bytes of its dtype. Throws if the number of bytes
 * differs from the tensor's size in bytes.
 */
export function overwriteBytes(tensor: Tensor, bytes: Uint8Array): void {
  const { storage, shape, dtype } = tensor;
  const wanted = byteLength(tensor.spec());
  if (bytes.byteLength !== wanted) {
    throw new Error(`overwriteBytes: ${dtype} ${formatShape(shape)} takes ${wanted} bytes, got ${bytes.byteLength}`);
  }
  storage.backend.write(storage.buffer, bytes);
  storage.written("overwriteBytes");
}
