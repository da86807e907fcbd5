import { eq, isGradEnabled, type Tensor, tensor, where } from "@lowrank/core";

/**
 * Returns embeddings without gradient where the id is `paddingIdx`, as for PyTorch's `padding_idx`. `found` are the
 * looked-up rows, over which `ids` broadcast. Other uses of the same table, such as a tied output layer, still train
 * the padding row.
 */
export function stopAtPadding(found: Tensor, ids: Tensor, paddingIdx: number | null): Tensor {
  if (paddingIdx === null || !found.requiresGrad || !isGradEnabled()) return found;
  const isPadding = eq(ids, tensor(paddingIdx, { dtype: "i32", backend: ids.storage.backend }));
  return where(isPadding, found.detach(), found);
}
