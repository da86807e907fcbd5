import type { AttentionDropout, Tensor } from "@lowrank/core";
import { Module } from "../module/module.ts";

/** Options of one call of `Attend`, with dropout on the weights where a layer trains with it. */
export interface AttendOptions extends AttentionDropout {
  /** The factor of the products of queries and keys. */
  readonly scale: number;
  /** Each token sees this many positions, up to its own. Default: all before it. */
  readonly window?: number;
  /** Each token of an encoder sees so many positions on either side of its own. Default: all. */
  readonly reach?: number;
  /** Scores s become softcap * tanh(s / softcap). Default: they stay. */
  readonly softcap?: number;
}

/**
 * Attends from q [B, T, H, d] to k, v [B, T, Hkv, d] and to the keys and values before them;
 * layers are counted from 0.
 */
export type Attend = (layer: number, q: Tensor, k: Tensor, v: Tensor, options: AttendOptions) => Tensor;

/**
 * An attention sub-layer. It is handed the attention function, so that a
 * wrapper can see its queries.
 */
export abstract class AttentionLayer extends Module {
  override get layerKind(): "attention" {
    return "attention";
  }

  /** Returns the rows [B, T, D] that are added to the residual, from normalised rows. */
  abstract forward(x: Tensor, layer: number, attend: Attend, ...rest: never[]): Tensor;
}
