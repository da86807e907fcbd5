import type { Tokenizer } from "@lowrank/models";
import { type TokenizedExample, tokenizeExample } from "@lowrank/train";
import { readTrainData } from "../commands/train/data/trainData.ts";
import type { Job } from "./job.ts";
import { loadNano } from "./loadNano.ts";

/** Examples to learn from, and others to measure on. */
export interface JobExamples {
  readonly train: readonly TokenizedExample[];
  readonly test: readonly TokenizedExample[];
}

// One draw for all seeds: these order the examples and draw the adapters' starts.
const taskSeed = 1;

/**
 * A job's examples; longer ones than the model has positions for are cut. Throws where
 * nothing is left to measure on.
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
