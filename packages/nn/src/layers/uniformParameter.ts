import { type Generator, rand } from "@lowrank/core";
import type { OptionKeys } from "@lowrank/core/internal";
import { Parameter } from "../module/parameter.ts";

/** Options of layers that initialise their weights with random values. */
export interface CreateLayerOptions {
  /** True for a layer with a bias. Default true. */
  bias?: boolean;
  /** Generator that draws the initial weights. Default: the generator that `manualSeed` seeds. */
  generator?: Generator;
}

/** The names of all options of `CreateLayerOptions`. */
export const createLayerKeys: OptionKeys<CreateLayerOptions> = { bias: true, generator: true };

/** Draws a parameter from U(-1/√fanIn, 1/√fanIn), as PyTorch initialises linear layers and convolutions. */
export function uniformParameter(shape: readonly number[], fanIn: number, generator?: Generator): Parameter {
  const bound = 1 / Math.sqrt(fanIn);
  using values = rand(shape, { generator, low: -bound, high: bound });
  return new Parameter(values);
}
