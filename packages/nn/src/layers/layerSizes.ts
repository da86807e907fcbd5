import { type Generator, rand } from "@lowrank/core";
import type { OptionKeys } from "@lowrank/core/internal";
import { Parameter } from "../module/parameter.ts";

/**
 * Throws unless all sizes of a new layer are whole numbers above 0. `example` is shown in the error message: code that
 * creates a valid layer.
 */
export function expectSizes(layer: string, sizes: readonly unknown[], example: string): void {
  if (sizes.every((size) => Number.isInteger(size) && (size as number) > 0)) return;
  throw new Error(`${layer}: sizes are ${sizes.join(" and ")}; all must be whole numbers above 0, as in ${example}`);
}

/**
 * Returns the size of the last dimension, over which a norm layer normalises. `shape` is this size as a number or as an
 * array of one element. Throws for arrays of other lengths.
 */
export function normalizedSize(layer: string, shape: number | readonly number[]): number {
  const sizes = typeof shape === "number" ? [shape] : shape;
  expectSizes(layer, sizes, `new ${layer}(64)`);
  if (sizes.length === 1) return sizes[0];
  throw new Error(`${layer}: the shape is [${sizes}]; it normalises the last dimension alone, as in new ${layer}(64)`);
}

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
