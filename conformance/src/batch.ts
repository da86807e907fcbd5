import { Generator, tensor } from "@lowrank/core";
import type { LabelledInputs } from "@lowrank/models";
import type { Results } from "./compare.ts";

/** A batch in Python's format. */
export interface Batch {
  input_ids: number[][];
  attention_mask: number[][];
  /** One label for each token, or for each sequence. */
  labels: number[][] | number[];
  /** The task of each row. */
  task_ids?: number[];
  /** The type of each token. */
  input_type_mask?: number[][];
}

/** The shape of a batch, and the padding of its last row. */
export interface BatchShape {
  rows: number;
  length: number;
  padding: number;
  side: "left" | "right";
}

/** Tokens that cases train by index. Every batch contains them. */
export const trainedTokens: readonly number[] = [3, 7];

/** Returns random tokens below `vocab`. Padding is neither predicted nor used for a prediction. */
export function randomBatch(
  seed: number,
  vocab: number,
  { rows, length, padding, side }: BatchShape = { rows: 3, length: 11, padding: 4, side: "right" },
): Batch {
  const ids = new Int32Array(rows * length);
  new Generator(seed).fillInt(ids, 1, vocab);
  ids.set(trainedTokens, 1);
  const [start, end] = side === "left" ? [padding, length] : [0, length - padding];
  const pick = <T>(token: (id: number) => T, pad: T, skipped = 0): T[][] =>
    Array.from({ length: rows }, (_, row) =>
      Array.from({ length }, (_, column) => {
        const isToken = row < rows - 1 || (column >= start + skipped && column < end);
        return isToken ? token(ids[row * length + column]) : pad;
      }),
    );
  return {
    input_ids: pick((id) => id, 0),
    attention_mask: pick(() => 1, 0),
    labels: pick((id) => id, -100, start > 0 ? 1 : 0),
  };
}

/** Returns a random class for each sequence. */
export function randomClasses(seed: number, rows: number, classes: number): number[] {
  const labels = new Int32Array(rows);
  new Generator(seed).fork(1).fillInt(labels, 0, classes);
  return [...labels];
}

/** Returns the same batch as Lowrank's tensors. */
export function asTensors(batch: Batch): LabelledInputs {
  return {
    inputIds: tensor(batch.input_ids, { dtype: "i32" }),
    attentionMask: tensor(batch.attention_mask, { dtype: "u8" }),
    labels: tensor(batch.labels, { dtype: "i32" }),
    ...(batch.task_ids && { taskIds: batch.task_ids }),
    ...(batch.input_type_mask && { inputTypeMask: batch.input_type_mask }),
  };
}

/**
 * Removes the logits of padding on the left. Such a token attends only to padding, and softmax of a fully masked
 * row is undefined. Logits of virtual tokens precede the batch's own.
 */
export function withoutBlindLogits(results: Results, { attention_mask: mask }: Batch, classes: number): Results {
  const blind = mask.map((row) => row.indexOf(1));
  return new Map([...results].map(([name, values]) => [name, name.endsWith("logits") ? seen(values) : values]));

  function seen(logits: Float32Array): Float32Array {
    const perRow = logits.length / mask.length;
    const virtual = perRow / classes - mask[0].length;
    const parts = blind.flatMap((padding, row) => {
      const from = row * perRow + virtual * classes;
      const own = logits.subarray(from + padding * classes, (row + 1) * perRow);
      return [...logits.subarray(row * perRow, from), ...own];
    });
    return Float32Array.from(parts);
  }
}
