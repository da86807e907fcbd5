import type { AttentionDropout, Tensor } from "@lowrank/core";
import { Module } from "../module/module.ts";

/** Options of one call of `Attend`. The dropout options are set only if the layer trains with attention dropout. */
export interface AttendOptions extends AttentionDropout {
  /** Factor by which the products of queries and keys are multiplied. */
  readonly scale: number;
  /**
   * Sliding window: each token attends to this many positions, including its own. Default: all positions up to its own.
   */
  readonly window?: number;
  /** Encoders only: each token attends to this many positions on both sides. Default: all. */
  readonly reach?: number;
  /** Soft cap: scores s become softcap * tanh(s / softcap). Default: no cap. */
  readonly softcap?: number;
}

/**
 * Computes attention from q [B, T, H, d] to k and v [B, T, Hkv, d] and to the cached keys and values of `layer`,
 * counted from 0.
 */
export type Attend = (layer: number, q: Tensor, k: Tensor, v: Tensor, options: AttendOptions) => Tensor;

/** An attention sub-layer. It takes the attention function as an argument, so that a wrapper can see the queries. */
export abstract class AttentionLayer extends Module {
  override get layerKind(): "attention" {
    return "attention";
  }

  /** Maps normalised hidden states [B, T, D] to the output [B, T, D], which the caller adds to the residual. */
  abstract forward(x: Tensor, layer: number, attend: Attend, ...rest: never[]): Tensor;
}
