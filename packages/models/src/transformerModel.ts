import { type AttentionSizes, Module, type PromptableModel, type VirtualTokens } from "@lowrank/nn";

/** What a model's vocabulary, positions and attention measure. */
export interface ModelSizes {
  readonly vocabSize: number;
  /** The most tokens a sequence may have, virtual ones included. */
  readonly maxPositions: number;
  readonly attentionSizes: AttentionSizes;
}

/** What models of all heads have: sizes, virtual tokens, and blocks that may forget what they computed. */
export abstract class TransformerModel extends Module implements PromptableModel, ModelSizes {
  readonly vocabSize: number;
  readonly maxPositions: number;
  readonly attentionSizes: AttentionSizes;
  virtualTokens: VirtualTokens | null = null;

  /** While training, blocks forget their activations and compute them again for the gradient. Default false. */
  gradientCheckpointing = false;

  constructor({ vocabSize, maxPositions, attentionSizes }: ModelSizes) {
    super();
    this.vocabSize = vocabSize;
    this.maxPositions = maxPositions;
    this.attentionSizes = attentionSizes;
  }

  /** Trades time for memory in training: see `checkpoint` of core. What `inputs` hold must live until the backward pass. */
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
