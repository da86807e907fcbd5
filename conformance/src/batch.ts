import { Generator, tensor } from "@lowrank/core";
import type { LabelledInputs } from "@lowrank/models";

/** A batch as Python takes it. */
export interface Batch {
  input_ids: number[][];
  attention_mask: number[][];
  labels: number[][];
}

/** The tokens that cases train by index: every batch holds them. */
export const trainedTokens: readonly number[] = [3, 7];

/** Random tokens below `vocab`; the last of the rows ends in padding, which is not to be predicted. */
export function randomBatch(seed: number, vocab: number): Batch {
  const [rows, length, padding] = [3, 11, 4];
  const ids = new Int32Array(rows * length);
  new Generator(seed).fillInt(ids, 1, vocab);
  ids.set(trainedTokens, 1);
  const pick = <T>(token: (id: number) => T, pad: T): T[][] =>
    Array.from({ length: rows }, (_, row) =>
      Array.from({ length }, (_, column) =>
        row === rows - 1 && column >= length - padding ? pad : token(ids[row * length + column]),
      ),
    );
  return { input_ids: pick((id) => id, 0), attention_mask: pick(() => 1, 0), labels: pick((id) => id, -100) };
}

/** The same batch as Lowrank takes it. */
export function asTensors(batch: Batch): LabelledInputs {
  return {
    inputIds: tensor(batch.input_ids, { dtype: "i32" }),
    attentionMask: tensor(batch.attention_mask, { dtype: "u8" }),
    labels: tensor(batch.labels, { dtype: "i32" }),
  };
}
