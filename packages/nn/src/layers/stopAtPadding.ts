import { eq, isGradEnabled, type Tensor, tensor, where } from "@lowrank/core";

/**
 * What was looked up for `ids`, which broadcast over it, without a gradient where the id is that of padding: PyTorch's
 * `padding_idx`. Other uses of the same table still train that row, such as an output layer tied to it.
 */
export function stopAtPadding(found: Tensor, ids: Tensor, paddingIdx: number | null): Tensor {
  if (paddingIdx === null || !found.requiresGrad || !isGradEnabled()) return found;
  const isPadding = eq(ids, tensor(paddingIdx, { dtype: "i32", backend: ids.storage.backend }));
  return where(isPadding, found.detach(), found);
}
