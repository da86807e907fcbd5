import { affine, einsum, matmul, mul, type Tensor } from "@lowrank/core";
import type { Parameter } from "@lowrank/nn";
import type { LayerAdapter } from "../../layers/tunerLayer.ts";
import { sizesOf } from "../shared/convolution.ts";
import { drawn } from "../shared/draws.ts";
import { FilterUpdate } from "../shared/filterUpdate.ts";
import type { LayerContext } from "../shared/method.ts";
import type { LoHaConfig } from "./lohaConfig.ts";
import { filterDropout, lycorisDraws, lycorisRank, usesTensors } from "./lycoris.ts";

/**
 * Returns LoHa's adapter of a convolution. The update of the filters as rows of a matrix is (A₁ B₁) ∘ (A₂ B₂), with A
 * [filters, r] and B [r, channels · elements]. With `useEffectiveConv2d`, each product is a tensor [r, r, ...kernel]
 * times A [r, filters] and B [r, channels], unless filters have one element.
 */
export function lohaConvolution(context: LayerContext<LoHaConfig>): LayerAdapter {
  const { base, config, path } = context;
  const { channels, filters, groups, kernel, elements } = sizesOf(base);
  const { r, scaling } = lycorisRank(config, path);
  const { zero, usual } = lycorisDraws(context);
  const last = config.initWeights ? zero : usual;
  const depth = channels / groups;
  const parameters: Record<string, Parameter> = {};
  const effective = usesTensors(context);
  for (const [i, draw] of [usual, last].entries()) {
    const name = `hada_w${i + 1}`;
    parameters[`${name}_a`] = drawn(usual, effective ? [r, filters] : [filters, r]);
    parameters[`${name}_b`] = drawn(draw, [r, effective ? depth : depth * elements]);
    if (effective) parameters[`hada_t${i + 1}`] = drawn(usual, [r, r, kernel[0], kernel[1] ?? 1]);
  }
  const factor = (i: 1 | 2): Tensor => {
    const [a, b, t] = [`hada_w${i}_a`, `hada_w${i}_b`, `hada_t${i}`].map((name) => parameters[name]);
    return t ? einsum("ijkl,jr,ip->prkl", t, b, a) : matmul(a, b);
  };
  return new FilterUpdate(base, {
    parameters,
    delta: () => affine(mul(factor(1), factor(2)), { scale: scaling }),
    ...filterDropout(context, "hada_dropout", true),
  });
}
