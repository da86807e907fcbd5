import { reshape, type Tensor } from "@lowrank/core";
import type { PromptedRows, PromptLoss, VirtualTokens } from "@lowrank/nn";
import type { ResolvedPromptConfig } from "../config/promptLearningConfig.ts";
import { Tasks } from "../layers/tasks.ts";
import type { PromptEncoder } from "./promptEncoder.ts";

/** The virtual tokens of one adapter. */
export class PromptTokens implements VirtualTokens {
  readonly kind: VirtualTokens["kind"];
  readonly count: number;
  readonly encoder: PromptEncoder;
  /**
   * True if the virtual tokens were read from a file that lacks the encoder that computed them. They cannot be trained
   * further.
   */
  readonly final: boolean;
  readonly #config: ResolvedPromptConfig;

  constructor(
    kind: VirtualTokens["kind"],
    { encoder, final, config }: { encoder: PromptEncoder; final: boolean; config: ResolvedPromptConfig },
  ) {
    this.kind = kind;
    this.count = config.numVirtualTokens;
    this.encoder = encoder;
    this.final = final;
    this.#config = config;
  }

  get loss(): PromptLoss | null {
    return this.encoder.loss;
  }

  rows(batch?: PromptedRows): Tensor {
    const { encoder } = this;
    if (encoder.tasks > 0) {
      const { size, taskIds } = batch ?? { size: 1 };
      const tasks = new Tasks(encoder.tasks);
      return encoder.rowsOf(tasks.ids(taskIds, new Array(size).fill(tasks.count), encoder.backend.dataless));
    }
    const rows = encoder.rows();
    if (this.kind === "embeddings") return rows;
    const { numLayers, numAttentionHeads, tokenDim } = this.#config;
    return reshape(rows, [this.count, numLayers, 2, numAttentionHeads, tokenDim / numAttentionHeads]);
  }
}
