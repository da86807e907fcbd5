import { affine } from "@lowrank/core";
import type { LayerAdapter } from "../../layers/tunerLayer.ts";
import { sizesOf } from "../shared/convolution.ts";
import { FilterUpdate } from "../shared/filterUpdate.ts";
import type { LayerContext } from "../shared/method.ts";
import type { LoKrConfig } from "./lokrConfig.ts";
import { kronecker, lokrMatrices, lokrTensors } from "./lokrTensors.ts";
import { filterDropout, lycorisRank, usesTensors } from "./lycoris.ts";

/**
 * Returns LoKr's adapter of a convolution. The update of the filters is the Kronecker product of a matrix
 * [out₁, in₁] and filters [out₂, in₂, ...kernel].
 */
export function lokrConvolution(context: LayerContext<LoKrConfig>): LayerAdapter {
  const { base, config, path } = context;
  const { channels, filters, groups, kernel } = sizesOf(base);
  const sizes = { outputs: filters, inputs: channels / groups, kernel, effective: usesTensors(context) };
  const parameters = lokrTensors(context, sizes);
  const { scaling } = lycorisRank(config, path);
  return new FilterUpdate(base, {
    parameters,
    delta: () => affine(kronecker(...lokrMatrices(parameters)), { scale: scaling }),
    ...filterDropout(context, "lokr_dropout", config.rankDropoutScale),
  });
}
