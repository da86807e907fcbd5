import { reshape, type Tensor } from "@lowrank/core";
import type { PromptedRows, VirtualTokens } from "@lowrank/nn";
import type { ResolvedPromptConfig } from "../config/promptLearningConfig.ts";
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

  rows(batch?: PromptedRows): Tensor {
    const { encoder } = this;
    if (encoder.tasks > 0) return encoder.rowsOf(checkedTasks(encoder, batch));
    const rows = encoder.rows();
    if (this.kind === "embeddings") return rows;
    const { numLayers, numAttentionHeads, tokenDim } = this.#config;
    return reshape(rows, [this.count, numLayers, 2, numAttentionHeads, tokenDim / numAttentionHeads]);
  }
}

/**
 * Returns the task of each row. Task 0 is the default if the adapter has no other, or if only shapes are computed.
 * Throws if a batch for an adapter of several tasks has no task ids, if their number is not the number of rows, or if
 * an id is out of range.
 */
function checkedTasks(encoder: PromptEncoder, { size, taskIds }: PromptedRows = { size: 1 }): readonly number[] {
  const { tasks } = encoder;
  if (!taskIds) {
    if (tasks === 1 || encoder.backend.dataless) return new Array<number>(size).fill(0);
    throw new Error(
      `the adapter has ${tasks} tasks, and the batch has no taskIds; give the task of each row, from 0 to ${tasks - 1}`,
    );
  }
  if (taskIds.length !== size) {
    throw new Error(`taskIds has ${taskIds.length} elements for ${size} rows; give the task of each row`);
  }
  const other = taskIds.find((id) => !Number.isInteger(id) || id < 0 || id >= tasks);
  if (other === undefined) return taskIds;
  const known = tasks === 1 ? "0, the adapter's only task" : `a whole number from 0 to ${tasks - 1}`;
  throw new Error(`taskIds has ${other}; expected ${known}`);
}
