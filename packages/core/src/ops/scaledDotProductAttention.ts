import { formatShape } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { attention } from "./attention.ts";
import { permute } from "./permute.ts";

/** Options of `scaledDotProductAttention`, as in PyTorch. */
export interface ScaledDotProductAttentionOptions {
  /** bool or u8, true = attend; broadcasts to [B, H, T, S]. */
  mask?: Tensor;
  /** Query i sees keys up to S - T + i. Default false. */
  isCausal?: boolean;
  /** Default 1 / sqrt(D). */
  scale?: number;
  /** Lets k and v have fewer heads, each serving a group of query heads. Default false. */
  enableGqa?: boolean;
}

/**
 * Attention in PyTorch's layout: q [B, H, T, D], k and v [B, H, S, D], result [B, H, T, D]. It copies to and from
 * the layout of `attention`, which is the faster one to use. The causal mask is aligned at the bottom right.
 */
export function scaledDotProductAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  options: ScaledDotProductAttentionOptions = {},
): Tensor {
  const { mask, isCausal: causal, scale, enableGqa } = options;
  if (!enableGqa && q.shape[1] !== k.shape[1]) {
    throw new Error(
      `scaledDotProductAttention: q ${formatShape(q.shape)} and k ${formatShape(k.shape)} differ in heads; set enableGqa`,
    );
  }
  const dims = [0, 2, 1, 3];
  const [x, y, z] = [q, k, v].map((t) => permute(t, { dims }));
  return permute(attention(x, y, z, { mask, causal, scale }), { dims });
}
