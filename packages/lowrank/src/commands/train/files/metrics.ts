/** Measurements of a step, named as in transformers' log. */
export interface StepLine {
  readonly step: number;
  readonly loss: number;
  readonly learning_rate: number;
  /** L2 norm of all gradients before clipping. */
  readonly grad_norm: number;
  readonly tokens_per_second: number;
  /** Resident memory of the process in bytes. */
  readonly memory: number;
}

/** Measurements of a validation. Metrics of tasks also have names that begin with `eval_`. */
export interface ValidationLine {
  readonly step: number;
  readonly eval_loss: number;
  readonly [measure: `eval_${string}`]: number;
}

/** Sample answers of the model after a step. */
export interface SampleLine {
  readonly step: number;
  readonly samples: readonly SampleAnswer[];
}

/** Prompt with the model's answer to it. */
export interface SampleAnswer {
  readonly prompt: string;
  readonly answer: string;
  /** Expected answer from the data, if there is one. */
  readonly reference?: string;
}

/** Parsed line of metrics.jsonl. */
export type MetricsLine = StepLine | ValidationLine | SampleLine;

/** Returns true for the measurements of a step. */
export const isStep = (line: MetricsLine): line is StepLine => "loss" in line;

/** Returns true for the measurements of a validation. */
export const isValidation = (line: MetricsLine): line is ValidationLine => "eval_loss" in line;

/** Returns true for sample answers. */
export const isSample = (line: MetricsLine): line is SampleLine => "samples" in line;

/** Returns the measurements of a validation by name, without `eval_`: "loss", "perplexity". */
export function measuresOf(line: ValidationLine): Map<string, number> {
  const entries = Object.entries(line).flatMap(([key, value]): [string, number][] => {
    return key.startsWith("eval_") ? [[key.slice("eval_".length).replaceAll("_", " "), value]] : [];
  });
  return new Map(entries);
}
