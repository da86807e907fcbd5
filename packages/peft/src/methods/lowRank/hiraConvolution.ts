import { matmul, mul } from "@lowrank/core";
import { type LayerAdapter, toF32 } from "../../layers/tunerLayer.ts";
import { expectOneGroup, sizesOf } from "../shared/convolution.ts";
import { drawn, draws, layerDropout } from "../shared/draws.ts";
import { FilterUpdate } from "../shared/filterUpdate.ts";
import type { LayerContext } from "../shared/method.ts";
import type { HiraConfig } from "./hiraConfig.ts";

/**
 * Returns HiRA's adapter of rank r for a convolution. The filters W become W + W ⊙ B A, with A [r, channels, ...kernel]
 * and B [filters, r, 1 ...]. A starts as PyTorch's filters for `initWeights` "gaussian" too. Throws for a convolution
 * with groups.
 */
export function hiraConvolution(context: LayerContext<HiraConfig>, r: number): LayerAdapter {
  expectOneGroup(context, "HiRA");
  const { base, config } = context;
  const { channels, filters, kernel, elements } = sizesOf(base);
  const { zero, uniform, normal } = draws(context);
  const [first, last] = config.initWeights
    ? [uniform(1 / Math.sqrt(channels * elements)), zero]
    : [normal(1), normal(1)];
  const a = drawn(first, [r, channels, ...kernel]);
  const b = drawn(last, [filters, r, ...kernel.map(() => 1)]);
  const dropout = layerDropout(context, config.hiraDropout);
  return new FilterUpdate(base, {
    parameters: { hira_A: a, hira_B: b },
    modules: config.hiraDropout > 0 ? { hira_dropout: dropout } : {},
    delta: (weight) => mul(toF32(weight).reshape([filters, -1]), matmul(b.reshape([filters, r]), a.reshape([r, -1]))),
    input: (x) => dropout.forward(x),
    steady: config.hiraDropout === 0,
  });
}
