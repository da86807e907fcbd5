/** The measurements of a step. Names are those of transformers' log. */
export interface StepLine {
  readonly step: number;
  readonly loss: number;
  readonly learning_rate: number;
  /** L2 norm of all gradients before clipping. */
  readonly grad_norm: number;
  readonly tokens_per_second: number;
  /** Bytes that the process holds. */
  readonly memory: number;
}

/** Measurements of a validation; those of tasks have `eval_` before their names too. */
export interface ValidationLine {
  readonly step: number;
  readonly eval_loss: number;
  readonly [measure: `eval_${string}`]: number;
}

/** Answers of the model as it was after a step. */
export interface SampleLine {
  readonly step: number;
  readonly samples: readonly SampleAnswer[];
}

/** An answer of the model to a prompt. */
export interface SampleAnswer {
  readonly prompt: string;
  readonly answer: string;
  /** The answer in the data; left out where there is none. */
  readonly reference?: string;
}

/** A line of metrics.jsonl. */
export type MetricsLine = StepLine | ValidationLine | SampleLine;

/** True for measurements of a step. */
export const isStep = (line: MetricsLine): line is StepLine => "loss" in line;

/** True for measurements of a validation. */
export const isValidation = (line: MetricsLine): line is ValidationLine => "eval_loss" in line;

/** True for answers of the model. */
export const isSample = (line: MetricsLine): line is SampleLine => "samples" in line;

/** The measurements of a validation by their names, without `eval_`: "loss", "perplexity". */
export function measuresOf(line: ValidationLine): Map<string, number> {
  const entries = Object.entries(line).flatMap(([key, value]): [string, number][] => {
    return key.startsWith("eval_") ? [[key.slice("eval_".length).replaceAll("_", " "), value]] : [];
  });
  return new Map(entries);
}
