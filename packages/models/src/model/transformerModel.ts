import { scope, withBackend } from "@lowrank/core";
import {
  type AttentionSizes,
  type DecoderBuilder,
  Module,
  type PromptableModel,
  type VirtualTokens,
} from "@lowrank/nn";

/** Ranges of a model's layers [start, end), which are stacked one after the other. */
export type LayerRanges = readonly (readonly [start: number, end: number])[];

/** The sizes of a model's vocabulary, positions and attention. */
export interface ModelSizes {
  readonly vocabSize: number;
  /** The maximum number of tokens in a sequence, including virtual tokens. */
  readonly maxPositions: number;
  /**
   * Maximum number of tokens in a sequence that shares a paged cache or a packed row with other sequences. Less than
   * `maxPositions` if the frequencies of the rotary embedding depend on the sequence length. Default: `maxPositions`.
   */
  readonly sharedPositions?: number;
  /**
   * Sequence length, in tokens, up to which cached keys are valid. If a sequence grows beyond it, all its keys are
   * computed again. Default: `maxPositions`, which means that cached keys are always valid.
   */
  readonly cachedPositions?: number;
  readonly attentionSizes: AttentionSizes;
}

/** Names of the layers that an adapter changes by default, by the kind of layer. */
export interface DefaultTargets {
  /** Linear layers, for LoRA and similar methods. */
  readonly linear?: readonly string[];
  /** Norms, for LN tuning. */
  readonly norm?: readonly string[];
  /** The attention module, for adaption prompts. */
  readonly attention?: readonly string[];
}

/**
 * A base model without a head. If the parameters have only shapes and no values, the model cannot run, and
 * `maxPositions` is undefined.
 */
export interface StackModel extends PromptableModel {
  readonly maxPositions?: number;
  defaultTargets: DefaultTargets;
  forward(inputs: never): unknown;
}

/**
 * Base class of models with any head. It holds the sizes, the virtual tokens and the setting for gradient
 * checkpointing.
 */
export abstract class TransformerModel extends Module implements PromptableModel, ModelSizes, DecoderBuilder {
  readonly vocabSize: number;
  readonly maxPositions: number;
  readonly sharedPositions: number;
  readonly cachedPositions: number;
  readonly attentionSizes: AttentionSizes;
  virtualTokens: VirtualTokens | null = null;

  /** Builds another decoder, for adapters such as Shadow. Null if the model was not built from a config. */
  secondDecoder: DecoderBuilder["secondDecoder"] = null;

  /** Layers that adapters change by default, if PEFT's own table has no entry for the model type. */
  defaultTargets: DefaultTargets = {};

  /**
   * True to recompute the activations of each block in the backward pass while training, instead of storing them.
   * Default false.
   */
  gradientCheckpointing = false;

  /**
   * Replaces the layers by ranges of them, stacked one after the other, and returns a function that restores the old
   * layers. A layer that occurs several times has its own modules each time, and the weights are shared. LoRA's
   * `layerReplication` calls it. Undefined if the model was built without `loadModel`, `createModel` or a similar
   * function.
   */
  replicateLayers?: (ranges: LayerRanges) => Promise<() => void>;

  constructor({ vocabSize, maxPositions, attentionSizes, ...sizes }: ModelSizes) {
    super();
    this.vocabSize = vocabSize;
    this.maxPositions = maxPositions;
    this.sharedPositions = sizes.sharedPositions ?? maxPositions;
    this.cachedPositions = sizes.cachedPositions ?? maxPositions;
    this.attentionSizes = attentionSizes;
  }

  /**
   * Runs `fn` in a scope, which frees temporary tensors, and returns its result. New tensors are created on the backend
   * of the model's parameters.
   */
  protected run<T>(fn: () => T): T {
    return withBackend(this.backend, () => scope(fn));
  }

  /**
   * Turns gradient checkpointing on, which takes less memory and more time (see `checkpoint` of core). The input
   * tensors of a forward pass must then stay alive until its backward pass.
   */
  gradientCheckpointingEnable(): this {
    this.gradientCheckpointing = true;
    return this;
  }

  /** Turns gradient checkpointing off. */
  gradientCheckpointingDisable(): this {
    this.gradientCheckpointing = false;
    return this;
  }
}
