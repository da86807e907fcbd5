import type { AttentionDropout, Tensor } from "@lowrank/core";
import { Module } from "../module/module.ts";

/** Options of one call of `Attend`, with attention dropout if a layer trains with it. */
export interface AttendOptions extends AttentionDropout {
  /** The factor applied to the products of queries and keys. */
  readonly scale: number;
  /** Sliding window: each token attends to this many positions, its own included. Default: all earlier ones. */
  readonly window?: number;
  /** Encoders only: each token attends to this many positions before it and after it. Default: all. */
  readonly reach?: number;
  /** Soft cap: scores s become softcap * tanh(s / softcap). Default: no cap. */
  readonly softcap?: number;
}

/** Attends from q [B, T, H, d] to k, v [B, T, Hkv, d] and to earlier keys and values. Layers are counted from 0. */
export type Attend = (layer: number, q: Tensor, k: Tensor, v: Tensor, options: AttendOptions) => Tensor;

/**
 * An attention sub-layer. It receives the attention function as an argument, so that a wrapper can read its queries.
 */
export abstract class AttentionLayer extends Module {
  override get layerKind(): "attention" {
    return "attention";
  }

  /** Maps normalised rows [B, T, D] to the rows [B, T, D] that are added to the residual. */
  abstract forward(x: Tensor, layer: number, attend: Attend, ...rest: never[]): Tensor;
}
