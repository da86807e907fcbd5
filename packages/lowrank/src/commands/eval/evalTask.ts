import type { CausalLM, Tokenizer } from "@lowrank/models";

/** A number that a task measures. */
export interface Metric {
  readonly name: string;
  readonly value: number;
  /** The standard error of a mean over questions; null for other numbers. */
  readonly standardError: number | null;
}

/** The measurements of one model. */
export interface TaskResult {
  readonly metrics: readonly Metric[];
  /** The answers and numbers of each question, for the results file. */
  readonly samples: readonly object[];
}

/** The options that tasks know, beside those of the model. */
export interface TaskOptions {
  readonly limit?: number;
  readonly batchSize: number;
  readonly maxNewTokens?: number;
  readonly stop?: readonly string[];
  readonly chat?: boolean;
  readonly system?: string;
  readonly numFewshot?: number;
  readonly fewshotData?: string;
  readonly maxLength?: number;
  readonly stride?: number;
}

/** A model to measure, with the adapter that acts on it. */
export interface MeasuredModel {
  readonly model: CausalLM;
  readonly tokenizer: Tokenizer;
  /** The tokens that end an answer. */
  readonly eosTokenIds: readonly number[];
  /** Told how many of the task's parts are done. */
  readonly onProgress: (done: number, of: number) => void;
}

/** A kind of evaluation. */
export interface EvalTask {
  readonly name: string;
  /** One line of --help: its data and its numbers. */
  readonly help: string;
  /** The options of `TaskOptions` that it has; others are errors. */
  readonly options: readonly (keyof TaskOptions)[];
  /** Reads the data, and returns what measures a model on it. */
  read(path: string, options: TaskOptions): Promise<(measured: MeasuredModel) => Promise<TaskResult>>;
}

/** The share of questions that were right, with its standard error. */
export function share(name: string, right: readonly boolean[]): Metric {
  const n = right.length;
  const value = right.filter(Boolean).length / n;
  return { name, value, standardError: n > 1 ? Math.sqrt((value * (1 - value)) / (n - 1)) : null };
}
