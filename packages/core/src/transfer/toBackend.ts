import type { Backend } from "../backends/backend.ts";
import { allocate, type Tensor } from "../engine/tensor.ts";
import { isPacked } from "../layout/dtype.ts";

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
