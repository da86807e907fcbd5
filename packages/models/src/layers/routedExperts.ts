import { add, div, mul, oneHot, scope, slice, softmax, sum, type Tensor, topk, unsqueeze } from "@lowrank/core";

/** Anything that turns rows [..., D] into others. */
interface Expert {
  forward(x: Tensor): Tensor;
}

/** The settings of a router. */
interface Routing {
  /** Experts that a token is sent to. */
  readonly perToken: number;
  /** True if the weights of a token's experts are scaled to add up to 1. */
  readonly normalises: boolean;
  /** Factors of the experts' weights [E], after that. Default: none. */
  readonly scale?: Tensor;
}

/**
 * The weights [..., E] of a token's experts from a router's logits [..., E]: 0 for those that it
 * is not sent to.
 */
function expertWeights(logits: Tensor, { perToken: k, normalises, scale }: Routing): Tensor {
  const [shares, chosen] = topk(softmax(logits, { dim: -1 }), k, { dim: -1 });
  const scaled = normalises ? div(shares, sum(shares, { dim: -1, keepdim: true })) : shares;
  const experts = logits.shape[logits.ndim - 1];
  const weights = sum(mul(oneHot(chosen, { classes: experts }), unsqueeze(scaled, -1)), { dim: -2 });
  return scale ? mul(weights, scale) : weights;
}

/**
 * The sum of experts' outputs on rows [B, T, D], weighted by a router's logits [B, T, E]. Every
 * expert takes all rows: which ones it is sent is known to the device alone.
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
