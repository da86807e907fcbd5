import { eq, isGradEnabled, type Tensor, tensor, where } from "@lowrank/core";

/**
 * Stops the gradient of looked-up rows whose id is `paddingIdx`, as PyTorch's `padding_idx`
 * does. `ids` broadcast over `found`. Other uses of the same table, such as a tied output
 * layer, still train that row.
 */
export function stopAtPadding(found: Tensor, ids: Tensor, paddingIdx: number | null): Tensor {
  if (paddingIdx === null || !found.requiresGrad || !isGradEnabled()) return found;
  const isPadding = eq(ids, tensor(paddingIdx, { dtype: "i32", backend: ids.storage.backend }));
  return where(isPadding, found.detach(), found);
}
