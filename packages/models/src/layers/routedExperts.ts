import { add, div, mul, oneHot, scope, slice, softmax, sum, type Tensor, topk, unsqueeze } from "@lowrank/core";

/** An expert: a layer that maps hidden states [..., D] to the same shape. */
interface Expert {
  forward(x: Tensor): Tensor;
}

/** Settings that determine how much each expert contributes to a token's output. */
interface Routing {
  /** Number of experts that each token uses. */
  readonly perToken: number;
  /** True to scale the weights of a token's experts to a sum of 1. */
  readonly normalises: boolean;
  /** Factors [E], one per expert, by which the weights are multiplied at the end. Default: 1. */
  readonly scale?: Tensor;
}

/**
 * Returns the weight of each expert for each token [..., E], from the router's logits [..., E]. The weight is 0 for
 * experts that a token does not use.
 */
export function expertWeights(logits: Tensor, { perToken: k, normalises, scale }: Routing): Tensor {
  const [shares, chosen] = topk(softmax(logits, { dim: -1 }), k, { dim: -1 });
  const scaled = normalises ? div(shares, sum(shares, { dim: -1, keepdim: true })) : shares;
  const experts = logits.shape[logits.ndim - 1];
  const weights = sum(mul(oneHot(chosen, { classes: experts }), unsqueeze(scaled, -1)), { dim: -2 });
  return scale ? mul(weights, scale) : weights;
}

/**
 * Returns the weighted sum of the experts' outputs for x [B, T, D], with weights from the router's logits [B, T, E].
 * Every expert processes all tokens. To skip some, the choice of experts would have to be read back from the device,
 * which is slow.
 */
export function routedExperts(x: Tensor, logits: Tensor, experts: Iterable<Expert>, routing: Routing): Tensor {
  return scope(() => weightedExperts(x, expertWeights(logits, routing), experts));
}

/** Returns the sum of the experts' outputs for x [B, T, D], multiplied by `weights` [B, T, E]. */
export function weightedExperts(x: Tensor, weights: Tensor, experts: Iterable<Expert>): Tensor {
  return scope(() => {
    let total: Tensor | null = null;
    for (const [e, expert] of [...experts].entries()) {
      const weight = slice(weights, { dim: -1, start: e, end: e + 1 });
      const part = scope(() => mul(expert.forward(x), weight));
      total = total ? add(total, part) : part;
    }
    return total!;
  });
}
