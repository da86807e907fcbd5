import { attention, reshape, type Tensor } from "@lowrank/core";
import type { ModelInputs } from "./causalLM.ts";

/** Attends from q [B, T, H, d] to k, v [B, T, Hkv, d] and to the tokens before them; layers are counted from 0. */
export type Attend = (layer: number, q: Tensor, k: Tensor, v: Tensor, scale: number) => Tensor;

/** Causal attention as one batch needs it: through the cache where there is one, blind to padding where there is a mask. */
export function causalAttention({ cache, attentionMask }: ModelInputs): Attend {
  const mask = attentionMask
    ? reshape(attentionMask, [attentionMask.shape[0], 1, 1, attentionMask.shape[1]])
    : undefined;
  return (layer, q, k, v, scale) => {
    if (!cache) return attention(q, k, v, { causal: true, scale, mask });
    const { keys, values, keyLength } = cache.update(layer, k, v);
    return attention(q, keys, values, { causal: true, scale, mask, keyLength });
  };
}
