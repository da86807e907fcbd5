import { type Tensor, tensor, zeros } from "@lowrank/core";
import type { Linear } from "@lowrank/nn";
import type { PeftConfig } from "../../config/peftConfig.ts";
import { TorchGenerator } from "../../random/torchGenerator.ts";
import { leadingBlock } from "../shared/mergedWeight.ts";
import type { SharedContext } from "../shared/method.ts";

/** Frozen random projections that all layers share. Smaller layers use their first columns and rows. */
export interface RandomProjections {
  /** A, [rows, largest in]. */
  readonly a: Tensor;
  /** B, [largest out, r]. */
  readonly b: Tensor;
}

/** The sizes of a linear layer. */
export type LinearSizes = Pick<Linear, "inFeatures" | "outFeatures">;

/** The fields of a configuration that determine the projections. */
type ProjectionFields = PeftConfig & { r: number; projectionPrngKey: number; saveProjection: boolean };

/**
 * Draws the random projections of VeRA and PVeRA from their seed, large enough for the largest layer. `rows` is the
 * number of rows of A. If the values will be read from a file, creates zeros.
 */
export function randomProjections(
  { layers, config, loading }: SharedContext<ProjectionFields>,
  rows: number,
): RandomProjections {
  const { r, projectionPrngKey, saveProjection } = config;
  const bases = layers.map(({ base }) => base as Linear);
  const shapes = [
    [rows, Math.max(...bases.map(({ inFeatures }) => inFeatures))],
    [Math.max(...bases.map(({ outFeatures }) => outFeatures)), r],
  ];
  const { backend } = bases[0].weight.storage;
  const draw = !backend.dataless && !(loading && saveProjection);
  const generator = new TorchGenerator(projectionPrngKey);
  const [a, b] = shapes.map((shape) => {
    if (!draw) return zeros(shape, { backend });
    // The bound of PyTorch's Kaiming initialisation with the gain of ReLU, as in PEFT.
    const bound = Math.sqrt(3) * (Math.sqrt(2) / Math.sqrt(shape[1]));
    return tensor(generator.uniform(shape[0] * shape[1], -bound, bound), { shape, backend });
  });
  return { a, b };
}

/** Returns the parts of the projections that a layer uses: A [rows, in] and B [out, r]. */
export function layerProjections(
  { a, b }: RandomProjections,
  { inFeatures, outFeatures }: LinearSizes,
): [a: Tensor, b: Tensor] {
  return [leadingBlock(a, [a.shape[0], inFeatures]), leadingBlock(b, [outFeatures, b.shape[1]])];
}
