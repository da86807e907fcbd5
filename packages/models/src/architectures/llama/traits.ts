import type { Tensor } from "@lowrank/core";
import type { Attend, Module, UnaryModule } from "@lowrank/nn";
import type { ParameterPath } from "../../model/parameters.ts";
import type { WantedRows } from "../../model/runBlocks.ts";
import type { RopeConfig } from "../../rope/ropeConfig.ts";
import type { DecoderConfig } from "./config.ts";
import type { RotaryAttention } from "./rotaryAttention.ts";

/** Turns queries or keys [B, T, H, d] by their positions. */
export type Rotate = (x: Tensor) => Tensor;

/** One block of a decoder. */
export interface DecoderLayer extends Module {
  forward(x: Tensor, layer: number, attend: Attend, rotate: Rotate, wanted: WantedRows): Tensor;
}

/** Makes a part of a block at its path; layers count from 0. */
export type MakePart<M> = (path: ParameterPath, config: DecoderConfig, traits: LlamaTraits, layer: number) => M;

/** The ways in which Llama and its kin differ. */
export interface LlamaTraits {
  /** Makes the norm of `size` numbers at a path. */
  norm(path: ParameterPath, size: number): UnaryModule;
  /** True if the projections to queries, keys and values have biases. Default false. */
  readonly qkvBias?: boolean;
  /** True if the projection behind attention has a bias. Default false. */
  readonly outputBias?: boolean;
  /** True if the MLP's layers have biases. Default false. */
  readonly mlpBias?: boolean;
  /**
   * The layers whose tokens see `size` positions, up to their own. Absent: all see all before them.
   */
  readonly window?: { readonly size: number; has(layer: number): boolean };
  /** The factor of attention's scores. Default: the root of a head's size, inverted. */
  readonly attentionScale?: number;
  /** Attention's scores s become softcap * tanh(s / softcap). Default: they stay. */
  readonly attentionSoftcap?: number;
  /** Gives a layer's rotary embedding; null for none. Default: the config's. */
  ropeOf?(layer: number): RopeConfig | null;
  /** The factor of the embeddings of tokens, but not of virtual ones. Default 1. */
  readonly embeddingScale?: number;
  /** The factor of all rows that the first block takes. Default 1. */
  readonly inputScale?: number;
  /** The factor of what attention and the MLP add to their input. Default 1. */
  readonly residualScale?: number;
  /** Gives the logits from what the output layer gives. Default: as they are. */
  logits?(x: Tensor): Tensor;
  /** Makes the attention sub-layer. Default: Llama's. */
  readonly attention?: MakePart<RotaryAttention>;
  /** Makes the sub-layer behind attention. Default: Llama's MLP. */
  readonly mlp?: MakePart<UnaryModule>;
  /** Makes a block. Default: Llama's, with a norm before each sub-layer. */
  readonly layer?: MakePart<DecoderLayer>;
}
