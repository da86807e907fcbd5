import type { Backend } from "../backends/backend.ts";
import { byteLength } from "../backends/packedFormat.ts";
import { Storage } from "../engine/storage.ts";
import { allocate, type Tensor } from "../engine/tensor.ts";
import { isPacked } from "../layout/dtype.ts";
import { formatShape } from "../layout/shape.ts";

/**
 * Copies a tensor to another backend, as a new leaf. It requires gradients if `t` does. If the tensor is on that
 * backend already, the result shares its memory.
 */
export async function toBackend(t: Tensor, backend: Backend): Promise<Tensor> {
  const out = t.storage.backend === backend ? t.detach() : await copied(t, backend);
  if (t.requiresGrad) out.requiresGrad = true;
  return out;
}

async function copied(t: Tensor, backend: Backend): Promise<Tensor> {
  const spec = t.spec();
  if (backend.dataless) return allocate(spec, backend);
  if (isPacked(t.dtype)) await backend.prepare?.(t.dtype);
  const bytes = await t.bytes();
  const out = allocate(spec, backend);
  backend.write(out.storage.buffer, bytes);
  return out;
}

/**
 * Moves the data of tensors to another backend, in place: references to the tensors stay valid. Tensors that share
 * memory still share it afterwards. Throws if a tensor is the result of a recorded op, whose history cannot be moved.
 */
export async function moveTensors(tensors: Iterable<Tensor>, backend: Backend): Promise<void> {
  const all = [...new Set(tensors)];
  for (const { isLeaf, shape } of all) {
    if (isLeaf) continue;
    throw new Error(
      `to: ${formatShape(shape)} is the result of a recorded op; move only leaf tensors, or detach() it first`,
    );
  }
  const moved = new Map<Storage, Storage>();
  try {
    for (const tensor of all) {
      const from = tensor.storage;
      if (from.backend === backend) continue;
      let to = moved.get(from);
      if (!to) {
        if (isPacked(tensor.dtype)) await backend.prepare?.(tensor.dtype);
        to = new Storage(backend, byteLength(tensor), "to");
        moved.set(from, to);
        backend.write(to.buffer, await tensor.bytes());
      }
      tensor.replaceStorage(to.retain());
    }
  } finally {
    for (const storage of moved.values()) storage.release();
  }
}
