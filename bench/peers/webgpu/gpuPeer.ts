import type { GemmPeer } from "../gemmPeer.ts";

/**
 * A linear layer with LoRA in a training step: x [rows, features], w [features, features], a [r, features], b
 * [features, r].
 */
export interface LoraLayer {
  rows: number;
  features: number;
  rank: number;
  scaling: number;
  x: Float32Array<ArrayBuffer>;
  w: Float32Array<ArrayBuffer>;
  a: Float32Array<ArrayBuffer>;
  b: Float32Array<ArrayBuffer>;
}

/**
 * An implementation on the GPU. Each call of a prepared layer computes y = x Wᵀ + s (x Aᵀ) Bᵀ, the mean of y², and its
 * gradients with respect to a, b and x. It reads all of them back and returns the mean.
 */
export interface GpuPeer extends GemmPeer {
  /** Missing if the implementation does not support gradients. */
  prepareLayer?: (layer: LoraLayer) => Promise<() => Promise<number>>;
}
