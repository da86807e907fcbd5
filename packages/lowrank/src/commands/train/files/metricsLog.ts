import { closeSync, existsSync, ftruncateSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fullDisk } from "@lowrank/files/internal";
import { temporaryName, writingId } from "@lowrank/files/internal/disk";

/** Name of the file with a run's measurements, one JSON object per line. */
export const metricsName = "metrics.jsonl";

/**
 * File name of the measurements while a run replaces an older run in the folder. The older metrics.jsonl stays until
 * the new run ends.
 */
const runningName = "metrics.running.jsonl";

/** Measurements of a run, in memory and in a JSONL file. */
export class MetricsLog {
  readonly lines: MetricsLine[] = [];
  readonly path: string;
  readonly #isOver: boolean;
  #text = "";
  #handle: number | null = null;
  #size = 0;

  /**
   * `history` contains the lines of the run that is resumed; "" for a new run. The file is created when the first line
   * is added.
   */
  constructor(folder: string, history: string) {
    this.#isOver = ["adapter_config.json", "config.json"].some((name) => existsSync(join(folder, name)));
    this.path = join(folder, this.#isOver ? runningName : metricsName);
    this.#text = history;
    this.lines.push(...history.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line) as MetricsLine])));
  }

  /** Text of all lines, as in the file. */
  get text(): string {
    return this.#text;
  }

  /** Appends a line to the file. Throws and leaves the file unchanged if the disk is full. */
  add(line: MetricsLine): void {
    this.#handle ??= this.#create();
    const text = `${JSON.stringify(line)}\n`;
    this.#write(this.#handle, text);
    this.#text += text;
    this.lines.push(line);
  }

  close(): void {
    if (this.#handle !== null) closeSync(this.#handle);
    this.#handle = null;
  }

  /**
   * Closes the log when the run's results are saved. If the log was written to metrics.running.jsonl, removes that
   * file: its lines are in the saved metrics.jsonl.
   */
  end(): void {
    this.close();
    if (this.#isOver) rmSync(this.path, { force: true });
  }

  /**
   * Creates the file with the lines of `history`, and returns its file descriptor. A temporary name is used until the
   * file is complete.
   */
  #create(): number {
    const part = join(dirname(this.path), temporaryName(basename(this.path), writingId(), "part"));
    const handle = openSync(part, "wx");
    try {
      this.#write(handle, this.#text);
      renameSync(part, this.path);
    } catch (error) {
      closeSync(handle);
      rmSync(part);
      throw error;
    }
    return handle;
  }

  #write(handle: number, text: string): void {
    const bytes = new TextEncoder().encode(text);
    try {
      for (let done = 0; done < bytes.length; ) done += writeSync(handle, bytes, done, undefined, this.#size + done);
    } catch (error) {
      ftruncateSync(handle, this.#size);
      throw fullDisk(error, this.path, bytes);
    }
    this.#size += bytes.length;
  }
}

/**
 * Returns the text of the metrics lines that a checkpoint contains. Returns "" if it contains none, as checkpoints of
 * older versions do.
 */
export async function readHistory(checkpoint: string): Promise<string> {
  return readFile(join(checkpoint, metricsName), "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
}

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

/**
 * Measurements of a validation: the step, the loss as `eval_loss`, and the task's metrics. The names of the metrics
 * also begin with `eval_`.
 */
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
