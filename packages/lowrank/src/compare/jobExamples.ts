import type { Tokenizer } from "@lowrank/models";
import { type TokenizedExample, tokenizeExample } from "@lowrank/train";
import { readTrainData } from "../commands/train/data/trainData.ts";
import type { Job } from "./job.ts";
import { loadNano } from "./loadNano.ts";

/** Tokenized training and test examples of a run. */
export interface JobExamples {
  readonly train: readonly TokenizedExample[];
  readonly test: readonly TokenizedExample[];
}

// One seed for all runs: a run's own seed orders the examples and initialises the adapter.
const taskSeed = 1;

/**
 * Returns a job's training and test examples. Texts are cut into blocks of `blockSize` tokens (default 256, or
 * `positions` if smaller). Throws if no test examples are left.
 */
export async function jobExamples(tokenizer: Tokenizer, job: Job, positions: number): Promise<JobExamples> {
  const { data, testExamples } = job;
  if (data.kind === "task") {
    const { generatePairs } = await loadNano();
    const pairs = (split: "train" | "test", count: number) =>
      Promise.all(
        generatePairs({ language: "javascript", split, count, seed: taskSeed }).map((pair) =>
          tokenizeExample(tokenizer, pair),
        ),
      );
    return { train: await pairs("train", data.trainExamples), test: await pairs("test", testExamples) };
  }
  const { blockSize = Math.min(256, positions) } = data;
  const { train, validation } = await readTrainData(tokenizer, { ...data, blockSize });
  if (validation.length === 0) {
    throw new Error(`${data.data.join(", ")}: nothing is left to measure on; give --validation, or more data`);
  }
  return { train, test: validation.slice(0, testExamples) };
}
