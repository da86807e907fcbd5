import type { CausalLM, Tokenizer } from "@lowrank/models";

/** Metric that an evaluation measured. */
export interface Metric {
  readonly name: string;
  readonly value: number;
  /** Standard error if the value is a mean over questions; null for other metrics. */
  readonly standardError: number | null;
}

/** Measurements of one model. */
export interface TaskResult {
  readonly metrics: readonly Metric[];
  /**
   * For the results file: one object per question, with the model's answer and its evaluation. For perplexity, one
   * object with the counts.
   */
  readonly samples: readonly object[];
}

/** Options of all evaluation tasks. A task reads only the options that it needs. */
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

/** Model to measure, with its active adapter. */
export interface MeasuredModel {
  readonly model: CausalLM;
  readonly tokenizer: Tokenizer;
  /** Token ids that end an answer. */
  readonly eosTokenIds: readonly number[];
  /** Called with the number of finished items, such as questions, and the total number. */
  readonly onProgress: (done: number, of: number) => void;
}

/** Kind of evaluation. */
export interface EvalTask {
  readonly name: string;
  /** Description in `--help`: the data that the task reads, and the metrics. */
  readonly help: string;
  /** Options of `TaskOptions` that the task uses. The command throws if others are given. */
  readonly options: readonly (keyof TaskOptions)[];
  /** Reads the data and returns a function that measures a model on it. */
  read(path: string, options: TaskOptions): Promise<(measured: MeasuredModel) => Promise<TaskResult>>;
}

/** Returns the share of correct answers, with its standard error. */
export function share(name: string, right: readonly boolean[]): Metric {
  const n = right.length;
  const value = right.filter(Boolean).length / n;
  return { name, value, standardError: n > 1 ? Math.sqrt((value * (1 - value)) / (n - 1)) : null };
}
