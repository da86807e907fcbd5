import type { MatmulPrecision } from "@lowrank/core";
import type { NamedSettings } from "../report/methods.ts";

/** One training: a method with a seed. All of it is JSON, since it goes to a process of its own. */
export interface Job {
  /** A model's folder or GGUF file; null: the embedded model. */
  readonly model: string | null;
  readonly data: JobData;
  /** The method's name in `methods`. */
  readonly method: string;
  readonly seed: number;
  readonly r: number;
  readonly targetModules: string | readonly string[];
  readonly virtualTokens: number;
  /** The settings that the user named. They replace the recipe's in every method that has them. */
  readonly named?: readonly (keyof NamedSettings)[];
  readonly steps: number;
  readonly batchSize: number;
  readonly learningRate: number;
  /** Examples that the loss and the answers are measured on, at most. */
  readonly testExamples: number;
  /** The name of the backend. */
  readonly backend: string;
  readonly threads: number;
  /** The precision of products with frozen weights; "highest" where it is left out. */
  readonly precision?: MatmulPrecision;
}

/** The data of a job: files as `lowrank train` reads them, or the embedded model's own task. */
export type JobData =
  | { readonly kind: "task"; readonly trainExamples: number }
  | {
      readonly kind: "files";
      readonly data: string[];
      readonly validation?: string;
      readonly validationFraction: number;
      readonly blockSize?: number;
    };

/** The measurements of one run. */
export interface Measured {
  /** The backend that ran, with its adapter. */
  readonly backend: string;
  readonly trainable: number;
  /** Of base and adapter together. */
  readonly total: number;
  readonly percent: number;
  readonly bytesSaved: number;
  readonly mergeable: boolean;
  /**
   * The most memory of the whole process up to the end of training, and the most that
   * tensors took while training.
   */
  readonly peakProcessBytes: number;
  readonly peakTensorBytes: number;
  /** Median of the steps. */
  readonly stepMilliseconds: number;
  /** Mean cross-entropy over the test examples, in nats per token, before training and after. */
  readonly lossBefore: number;
  readonly loss: number;
  /** Share of test prompts that are answered to the token; null for data without prompts. */
  readonly exactMatch: number | null;
  readonly testExamples: number;
  /**
   * Median of one forward pass over `latencyTokens` tokens: as trained, and
   * merged (null: it cannot be).
   */
  readonly latencyMilliseconds: number;
  readonly mergedLatencyMilliseconds: number | null;
  readonly latencyTokens: number;
}

/** A run and its measurements, or its error. */
export type Outcome = { readonly job: Job } & ({ readonly measured: Measured } | { readonly error: string });

/** A message from the process of a run. */
export type Message =
  | { readonly step: number; readonly of: number; readonly loss: number }
  | { readonly outcome: Outcome };
