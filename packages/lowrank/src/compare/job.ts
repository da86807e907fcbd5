import type { MatmulPrecision } from "@lowrank/core";
import type { NamedSettings } from "../report/methods.ts";
import type { ChosenSize, SetOptions } from "./jobConfig.ts";

/** One run of a comparison: training with one method and one seed. The object is sent to another process as JSON. */
export interface Job {
  /** Model's folder or GGUF file; null for the small model of the package `@lowrank/nano`. */
  readonly model: string | null;
  readonly data: JobData;
  /** Name of the method, as in `--method`. */
  readonly method: string;
  readonly seed: number;
  readonly r: number;
  readonly targetModules: string | readonly string[];
  readonly virtualTokens: number;
  /**
   * Names of the settings that the user gave on the command line. For these settings, the user's values replace the
   * values of the method's recipe. A method ignores settings that it does not have.
   */
  readonly named?: readonly (keyof NamedSettings)[];
  /** Option that sets the number of trained parameters, and its value. Undefined: the recipe's size. */
  readonly size?: ChosenSize;
  /** Values of other options of the method, by flags without dashes, as texts of the command line. */
  readonly set?: SetOptions;
  /** File of examples on which forgetting is measured. The task of `@lowrank/nano` has its own. */
  readonly forgetting?: string;
  readonly steps: number;
  readonly batchSize: number;
  readonly learningRate: number;
  /** Maximum number of test examples on which loss and answers are measured. */
  readonly testExamples: number;
  /** Name of the backend, as in `--backend`. */
  readonly backend: string;
  readonly threads: number;
  /** Precision of matrix products with frozen weights. Default "highest". */
  readonly precision?: MatmulPrecision;
}

/** Data of a job: files, as for `lowrank train`, or the task that `@lowrank/nano` contains for its model. */
export type JobData =
  | { readonly kind: "task"; readonly trainExamples: number }
  | {
      readonly kind: "files";
      readonly data: string[];
      readonly validation?: string;
      readonly validationFraction: number;
      readonly blockSize?: number;
    };

/** Measurements of one run. */
export interface Measured {
  /** Name of the backend, and of its GPU adapter if it has one. */
  readonly backend: string;
  readonly trainable: number;
  /** Number of parameters of base model and adapter together. */
  readonly total: number;
  readonly percent: number;
  readonly bytesSaved: number;
  readonly mergeable: boolean;
  /** Peak memory of the whole process in bytes, from its start to the end of training. */
  readonly peakProcessBytes: number;
  /** Peak memory of all tensors in bytes, while training. */
  readonly peakTensorBytes: number;
  /** Median time of a training step in milliseconds. */
  readonly stepMilliseconds: number;
  /** Mean cross-entropy over the test examples before training, in nats per token. */
  readonly lossBefore: number;
  /** Mean cross-entropy over the test examples after training, in nats per token. */
  readonly loss: number;
  /** Share of test prompts that the model answers with exactly the expected tokens; null for data without prompts. */
  readonly exactMatch: number | null;
  readonly testExamples: number;
  /** Loss before training on examples of an earlier task, in nats per token. Undefined if not measured. */
  readonly earlierLossBefore?: number;
  /** Loss after training on examples of an earlier task, in nats per token. Undefined if not measured. */
  readonly earlierLoss?: number;
  /** Median time of one forward pass over `latencyTokens` tokens with the adapter unmerged, in milliseconds. */
  readonly latencyMilliseconds: number;
  /**
   * Median time of one forward pass over `latencyTokens` tokens with the adapter merged, in milliseconds; null if it
   * cannot be merged.
   */
  readonly mergedLatencyMilliseconds: number | null;
  readonly latencyTokens: number;
}

/** Finished run of a comparison, with its measurements or its error message. */
export type Outcome = { readonly job: Job } & ({ readonly measured: Measured } | { readonly error: string });

/** Message from the process that executes a run: progress after a training step, or the outcome. */
export type Message =
  | { readonly step: number; readonly of: number; readonly loss: number }
  | { readonly outcome: Outcome };

/** Returns the name of a run for messages: "lora, r 9, seed 0". */
export function jobName({ method, size, seed }: Job): string {
  return `${withSize(method, size)}, seed ${seed}`;
}

/** Returns a method's name with its size, if one was chosen: "LoRA, r 9". */
export function withSize(name: string, size: ChosenSize | undefined): string {
  return size === undefined ? name : `${name}, ${size.flag} ${Number(size.value.toPrecision(4))}`;
}
