import { tensorFilledBy } from "../../creation/create.ts";
import { checkCall } from "../../engine/op.ts";
import { scope } from "../../engine/scope.ts";
import type { Tensor } from "../../engine/tensor.ts";
import type { OptionKeys } from "../../internal/checkOptions.ts";
import { formatShape } from "../../layout/shape.ts";
import { permute } from "../shapes/permute.ts";
import { type AttentionDropout, type AttentionOptions, attention } from "./attention.ts";

/** Options of `scaledDotProductAttention`, as in PyTorch. */
export interface ScaledDotProductAttentionOptions extends AttentionDropout {
  /** bool or u8, true = attend. Broadcasts to [B, H, T, S]. */
  mask?: Tensor;
  /** Query i attends to keys up to i, as in PyTorch: the causal mask is aligned at the top left. Default false. */
  isCausal?: boolean;
  /** Query i attends to keys up to S - T + i, as with a cache: PyTorch's `causal_lower_right`. Default false. */
  isCausalLowerRight?: boolean;
  /** Factor by which the products of queries and keys are multiplied. Default 1 / sqrt(D). */
  scale?: number;
  /**
   * Allows k and v to have fewer heads than q (grouped-query attention): each of their heads serves a group of query
   * heads. Default false.
   */
  enableGqa?: boolean;
}

const optionKeys: OptionKeys<ScaledDotProductAttentionOptions> = {
  ...({ mask: true, isCausal: true, isCausalLowerRight: true, scale: true, enableGqa: true } as const),
  ...({ dropoutP: true, generator: true } as const),
};

/**
 * Attention with PyTorch's argument layout: q [B, H, T, D], k and v [B, H, S, D], result [B, H, T, D]. It is slower
 * than `attention`, because it copies the tensors to that function's layout and back.
 */
export function scaledDotProductAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  options: ScaledDotProductAttentionOptions = {},
): Tensor {
  checkCall("scaledDotProductAttention", 3, arguments, options, optionKeys);
  const { mask, isCausal, isCausalLowerRight, scale, enableGqa, dropoutP, generator } = options;
  if (isCausal && (mask || isCausalLowerRight)) {
    throw new Error(
      `scaledDotProductAttention: isCausal is given with ${mask ? "a mask" : "isCausalLowerRight"}; give one of them, as in PyTorch`,
    );
  }
  if (!enableGqa && q.shape[1] !== k.shape[1]) {
    throw new Error(
      `scaledDotProductAttention: q ${formatShape(q.shape)} and k ${formatShape(k.shape)} differ in heads; set enableGqa`,
    );
  }
  const dims = [0, 2, 1, 3];
  return scope(() => {
    const [x, y, z] = [q, k, v].map((t) => permute(t, { dims }));
    const seen = isCausal ? upperLeft(q.shape[2], k.shape[2], q) : { mask, causal: isCausalLowerRight };
    return permute(attention(x, y, z, { ...seen, scale, dropoutP, generator }), { dims });
  });
}

/**
 * Returns options for `attention` that align the causal mask at the top left, so that query i attends to keys 0 to i.
 * `attention` aligns the mask at the bottom right. If there are at least as many keys as queries, `keyLength` excludes
 * the surplus keys, which makes both alignments equal. Otherwise the options contain a mask.
 */
function upperLeft(queries: number, keys: number, like: Tensor): AttentionOptions {
  if (queries <= keys) return { causal: true, keyLength: queries };
  const { backend } = like.storage;
  const mask = tensorFilledBy({ shape: [queries, keys], dtype: "bool" }, backend, (seen) => {
    seen.fill(0);
    for (let i = 0; i < queries; i++) seen.fill(1, i * keys, i * keys + Math.min(i + 1, keys));
  });
  return { mask };
}
