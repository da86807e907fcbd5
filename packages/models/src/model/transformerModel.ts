import { scope, withBackend } from "@lowrank/core";
import { type AttentionSizes, Module, type PromptableModel, type VirtualTokens } from "@lowrank/nn";

/** The sizes of a model's vocabulary, positions and attention. */
export interface ModelSizes {
  readonly vocabSize: number;
  /** The most tokens a sequence may have, virtual ones included. */
  readonly maxPositions: number;
  /**
   * The most tokens of a sequence in pages, or in a row with others: where the values of a token
   * go by the length of its sequence, fewer than `maxPositions`. Default: as many.
   */
  readonly sharedPositions?: number;
  /**
   * The most tokens of a sequence whose keys still hold in a longer one: a cache that grows beyond
   * is made anew. Default: none does.
   */
  readonly cachedPositions?: number;
  readonly attentionSizes: AttentionSizes;
}

/** Names of layers for adapters, by the kind of layer that a method sits on. */
export interface DefaultTargets {
  /** Linear layers, for LoRA and its kin. */
  readonly linear?: readonly string[];
  /** Norms, for LN tuning. */
  readonly norm?: readonly string[];
  /** The attention module, for adaption prompts. */
  readonly attention?: readonly string[];
}

/**
 * A stack without a head. One without `maxPositions` is known by its shapes
 * alone and cannot be run.
 */
export interface StackModel extends PromptableModel {
  readonly maxPositions?: number;
  defaultTargets: DefaultTargets;
  forward(inputs: never): unknown;
}

/**
 * A model of any head: it has sizes, virtual tokens, and blocks that may forget what they computed.
 */
export abstract class TransformerModel extends Module implements PromptableModel, ModelSizes {
  readonly vocabSize: number;
  readonly maxPositions: number;
  readonly sharedPositions: number;
  readonly cachedPositions: number;
  readonly attentionSizes: AttentionSizes;
  virtualTokens: VirtualTokens | null = null;

  /** The architecture's default targets, which adapters ask where PEFT's own table knows none. */
  defaultTargets: DefaultTargets = {};

  /**
   * While training, blocks forget their activations and compute them again for the
   * gradient. Default false.
   */
  gradientCheckpointing = false;

  constructor({ vocabSize, maxPositions, attentionSizes, ...sizes }: ModelSizes) {
    super();
    this.vocabSize = vocabSize;
    this.maxPositions = maxPositions;
    this.sharedPositions = sizes.sharedPositions ?? maxPositions;
    this.cachedPositions = sizes.cachedPositions ?? maxPositions;
    this.attentionSizes = attentionSizes;
  }

  /**
   * Runs `fn` in a scope, with new tensors on the backend of the
   * parameters, and returns its result.
   */
  protected run<T>(fn: () => T): T {
    return withBackend(this.backend, () => scope(fn));
  }

  /**
   * Trades time for memory in training: see `checkpoint` of core. Tensors of `inputs` must live
   * until the backward pass.
   */
  gradientCheckpointingEnable(): this {
    this.gradientCheckpointing = true;
    return this;
  }

  /** Keeps activations again. */
  gradientCheckpointingDisable(): this {
    this.gradientCheckpointing = false;
    return this;
  }
}
