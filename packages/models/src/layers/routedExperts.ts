import { add, div, mul, oneHot, scope, slice, softmax, sum, type Tensor, topk, unsqueeze } from "@lowrank/core";

/** A layer that maps rows [..., D] to rows of the same shape. */
interface Expert {
  forward(x: Tensor): Tensor;
}

/** The settings of a router. */
interface Routing {
  /** Number of experts per token. */
  readonly perToken: number;
  /** True to scale the weights of a token's experts to a sum of 1. */
  readonly normalises: boolean;
  /** Factor [E] of each expert's weight, applied last. Default: none. */
  readonly scale?: Tensor;
}

/**
 * Returns the experts' weights [..., E] for a router's logits [..., E]. Experts that a token is not routed to have
 * weight 0.
 */
function expertWeights(logits: Tensor, { perToken: k, normalises, scale }: Routing): Tensor {
  const [shares, chosen] = topk(softmax(logits, { dim: -1 }), k, { dim: -1 });
  const scaled = normalises ? div(shares, sum(shares, { dim: -1, keepdim: true })) : shares;
  const experts = logits.shape[logits.ndim - 1];
  const weights = sum(mul(oneHot(chosen, { classes: experts }), unsqueeze(scaled, -1)), { dim: -2 });
  return scale ? mul(weights, scale) : weights;
}

/**
 * Returns the sum of the experts' outputs for rows [B, T, D], weighted by a router's logits [B, T, E]. Every expert
 * processes all rows, because the routing is on the device and reading it back would be slow.
 */
export function routedExperts(x: Tensor, logits: Tensor, experts: Iterable<Expert>, routing: Routing): Tensor {
  return scope(() => {
    const weights = expertWeights(logits, routing);
    let total: Tensor | null = null;
    for (const [e, expert] of [...experts].entries()) {
      const weight = slice(weights, { dim: -1, start: e, end: e + 1 });
      const part = scope(() => mul(expert.forward(x), weight));
      total = total ? add(total, part) : part;
    }
    return total!;
  });
}
