import type { Tensor } from "@lowrank/core";
import type { Module } from "../module/module.ts";
import type { Parameter } from "../module/parameter.ts";
import type { AttentionCache } from "./attentionCache.ts";
import type { AttentionSizes } from "./virtualTokens.ts";

/** The inputs of a decoder: token ids i32 [B, T], and the other inputs of a language model. */
export interface DecoderInputs {
  readonly inputIds: Tensor;
  readonly attentionMask?: Tensor | null;
  readonly positionIds?: Tensor | null;
  readonly maxPosition?: number;
  readonly cache?: AttentionCache | null;
}

/** A decoder with its head. */
export interface DecoderModel extends Module {
  readonly attentionSizes: AttentionSizes;
  /** Returns the final hidden states f32 [B, T, D], or only the last token's with `wanted` "last". */
  hidden(inputs: DecoderInputs, wanted?: "all" | "last"): Tensor;
}

/** A decoder that a model builds in addition to itself, as Shadow needs it. */
export interface SecondDecoder<M extends DecoderModel = DecoderModel> {
  /** The decoder. Its head shares the embedding's weight, unless the request has `head`. */
  readonly model: M;
  /** The path of the module that holds the blocks: "model". */
  readonly stack: string;
  /** The value of the decoder's config.json. */
  readonly config: unknown;
  /** Returns the decoder's name of a tensor for its name in a checkpoint; null for tensors that it does not have. */
  nameOf(stored: string): string | null;
}

/** A request for a second decoder. All sizes default to the sizes of the model itself. */
export interface SecondDecoderRequest {
  /** Number of blocks. */
  readonly layers?: number;
  readonly hiddenSize?: number | null;
  readonly intermediateSize?: number | null;
  readonly attentionHeads?: number | null;
  /** The value of the decoder's own config.json. The other sizes are then ignored. Default: the model's config. */
  readonly config?: unknown;
  /** True to ask `parameter` for the weight of the head too. Default: false, the head shares the embedding's weight. */
  readonly head?: boolean;
  /** Returns the decoder's parameters, by path. `start` gives their usual initial values. */
  parameter(name: string, shape: readonly number[], start: { std: number } | { value: number }): Parameter;
}

/** A model that can build a second decoder. */
export interface DecoderBuilder {
  /** Builds another decoder. Absent for models of other kinds, and for models that were not built from a config. */
  secondDecoder?: ((request: SecondDecoderRequest) => Promise<SecondDecoder>) | null;
}

/** A list of blocks that changes hidden states before its blocks run. */
export interface EnteredBlocks {
  /** Called before each block with its input [B, T, D] and its index. Returns the input to use. */
  enter?: ((x: Tensor, layer: number) => Tensor) | null;
}
