import { type Generator, type OptionKeys, rand } from "@lowrank/core";
import { Parameter } from "../module/parameter.ts";

/** Options of layers that draw their weights. */
export interface CreateLayerOptions {
  /** Default true. */
  bias?: boolean;
  /** Draws the weights. Default: the one that `manualSeed` seeds. */
  generator?: Generator;
}

/** The names of all options of `CreateLayerOptions`. */
export const createLayerKeys: OptionKeys<CreateLayerOptions> = { bias: true, generator: true };

/**
 * Draws parameters as PyTorch's linear layers and convolutions begin: from U(-1/√fanIn, 1/√fanIn).
 */
export function uniformParameter(shape: readonly number[], fanIn: number, generator?: Generator): Parameter {
  const bound = 1 / Math.sqrt(fanIn);
  using values = rand(shape, { generator, low: -bound, high: bound });
  return new Parameter(values);
}
