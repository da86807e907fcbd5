import { add, amax, arange, indexSelect, mul, ne, reshape, type Tensor, tensor, to } from "@lowrank/core";

/**
 * Returns the hidden state of each sequence's last non-padding token: [B, D] from [B, P + T, D] with P virtual tokens.
 * Throws for several sequences if the config has no padding token. `model` is the model's name in the error message.
 */
export function lastTokenRows(hidden: Tensor, inputIds: Tensor, padTokenId: number | null, model: string): Tensor {
  const [B, T] = inputIds.shape;
  if (padTokenId === null && B > 1) {
    throw new Error(`${model}: the config has no pad_token_id; classify one sequence at a time`);
  }
  const rows = hidden.shape[1];
  const index = arange(0, T);
  const isToken = to(ne(inputIds, tensor(padTokenId ?? -1, { dtype: "i32" })), { dtype: "f32" });
  const last = amax(mul(isToken, to(index, { dtype: "f32" })), { dim: 1 });
  const starts = tensor(Float32Array.from({ length: B }, (_, b) => b * rows + rows - T));
  const at = to(add(last, starts), { dtype: "i32" });
  return indexSelect(reshape(hidden, [B * rows, hidden.shape[2]]), at, { dim: 0 });
}
