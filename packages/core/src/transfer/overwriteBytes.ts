import { byteLength } from "../backends/packing.ts";
import type { Tensor } from "../engine/tensor.ts";
import { formatShape } from "../layout/shape.ts";

/**
 * Overwrites a tensor's elements, in place, with little-endian bytes of its dtype. Throws if the number of bytes
 * differs.
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
