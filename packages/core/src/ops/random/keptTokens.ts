import { scalarLike } from "../../creation/create.ts";
import type { Tensor } from "../../engine/tensor.ts";
import { checkSampling, type SamplingOptions } from "../../sampling/samplingOptions.ts";
import { type CompareParams, compare } from "../binary/compare.ts";
import { div } from "../binary/div.ts";
import { maximum } from "../binary/maximum.ts";
import { mul } from "../binary/mul.ts";
import { sub } from "../binary/sub.ts";
import { cumsum } from "../reductions/cumsum.ts";
import { max } from "../reductions/max.ts";
import { topk } from "../reductions/topk.ts";
import { scatterAdd } from "../shapes/gather.ts";
import { place, slice } from "../shapes/slice.ts";
import { rowSum } from "../shared/rows.ts";
import { affine } from "../unary/affine.ts";
import { exp } from "../unary/exp.ts";
import { to } from "../unary/to.ts";

/** Compares a tensor with another tensor or with a number. */
export const compareWith = (a: Tensor, relation: CompareParams["relation"], b: Tensor | number): Tensor =>
  compare(a, typeof b === "number" ? scalarLike(a, b) : b, { relation });

/** Returns exp((logit - largest logit of its row) / temperature) for each logit. */
export function unnormalizedProbabilities(logits: Tensor, { temperature = 1 }: SamplingOptions): Tensor {
  const [top] = max(logits, { dim: 1 });
  return exp(affine(sub(logits, top), { scale: 1 / temperature }));
}

/**
 * Returns a mask f32 [B, V] for logits [B, V]: 1 for tokens that top-k, top-p and min-p keep, 0 for tokens that they
 * remove. At least the `least` most probable tokens of a row are kept. Returns null if the options remove no tokens.
 */
export function keptTokens(logits: Tensor, options: SamplingOptions, least = 1): Tensor | null {
  checkSampling(options);
  const { topK = 0, topP = 1, minP = 0 } = options;
  const tokens = logits.shape[1];
  let odds = unnormalizedProbabilities(logits, options);
  let kept: Tensor | null = null;
  const k = Math.max(topK, least);
  if (topK > 0 && k < tokens) {
    const [largest] = topk(logits, { k, dim: 1 });
    kept = flags(compareWith(logits, "ge", slice(largest, { dim: 1, start: k - 1 })));
    odds = mul(odds, kept);
  }
  if (topP === 1 && minP === 0) return kept;
  let further = flags(compareWith(odds, "ge", minP));
  if (topP < 1) further = mul(further, flags(compareWith(massOfLikelier(div(odds, rowSum(odds))), "lt", topP)));
  if (least > 1) further = maximum(further, likeliest(odds, Math.min(least, tokens)));
  return kept ? mul(kept, further) : further;
}

const flags = (condition: Tensor): Tensor => to(condition, { dtype: "f32" });

/**
 * Returns, for each token, the total probability of the more probable tokens of its row. Of equally probable tokens,
 * the one with the lower index counts as more probable.
 */
function massOfLikelier(probabilities: Tensor): Tensor {
  const { shape } = probabilities;
  const [rows, tokens] = shape;
  const [sorted, order] = topk(probabilities, { k: tokens, dim: 1 });
  const before = slice(cumsum(sorted, { dim: 1 }), { dim: 1, end: tokens - 1 });
  return scatterAdd(place(before, { dim: 1, size: tokens, start: 1 }), order, { dim: 1, shape: [rows, tokens] });
}

/** Returns 1 for the `count` most probable tokens of each row, and 0 for the others. */
function likeliest(odds: Tensor, count: number): Tensor {
  const { shape } = odds;
  const [largest, order] = topk(odds, { k: count, dim: 1 });
  return scatterAdd(flags(compareWith(largest, "ge", 0)), order, { dim: 1, shape });
}
