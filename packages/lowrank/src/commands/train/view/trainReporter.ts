import type { Warning } from "@lowrank/peft";
import type { StepReport } from "@lowrank/train";
import type { MetricsLine } from "../files/metricsLog.ts";
import { trainProgress } from "./trainProgress.ts";

/** Reports a training's progress and result, as text or as JSON. */
export interface TrainReporter {
  /** Prints a line about the current work, such as loading. */
  note(text: string): void;
  /** Prints a line of the result. */
  say(text: string): void;
  warn(warning: Warning): void;
  /** Messages of the warnings so far. */
  readonly warnings: readonly string[];
  /** Reports a finished step. If `secondsLeft` is missing, it is estimated from the average time of a step so far. */
  step(report: StepReport, secondsLeft?: number): void;
  /** Reports an entry of metrics.jsonl. */
  metrics(line: MetricsLine): void;
  /** Ends the live view. */
  end(): void;
  /** Prints the JSON object of the result. */
  result(result: object): void;
}

/** Options that control what a training prints. */
export interface TrainReporterOptions {
  quiet?: boolean;
  json?: boolean;
}

/** Returns the reporter of a command. Results go to stdout, all other output to stderr. */
export function trainReporter({ quiet, json }: TrainReporterOptions): TrainReporter {
  const warnings: string[] = [];
  const voice = json ? jsonVoice(quiet ?? false) : textVoice(quiet ?? false);
  const warn = (warning: Warning) => {
    warnings.push(warning.message);
    voice.warn(warning);
  };
  return { ...voice, warn, warnings };
}

/** Reporter for one output format, which does not collect warnings. */
type Channel = Omit<TrainReporter, "warnings">;

/**
 * Returns a reporter for `--json`: it prints JSON lines on stderr during the run, and one JSON object on stdout at the
 * end.
 */
function jsonVoice(quiet: boolean): Channel {
  const nothing = () => {};
  const line = (value: object) => console.error(JSON.stringify(value));
  return {
    note: nothing,
    say: nothing,
    warn: (warning) => line({ warning }),
    step: nothing,
    metrics: quiet ? nothing : line,
    end: nothing,
    result: (result) => console.log(JSON.stringify(result)),
  };
}

function textVoice(quiet: boolean): Channel {
  const progress = quiet ? null : trainProgress(process.stderr);
  return {
    note: (text) => progress?.note(text),
    say: (text) => {
      progress?.end();
      console.log(text);
    },
    warn: ({ message }) => {
      if (progress) progress.note(`warning: ${message}`);
      else console.error(`warning: ${message}`);
    },
    step: (report, secondsLeft) => progress?.step(report, secondsLeft),
    metrics: (line) => progress?.metrics(line),
    end: () => progress?.end(),
    result: () => {},
  };
}

/** Kind of work that runs between two training steps. */
type SideWork = "evaluation" | "save" | "samples";

/** Plan for one kind of work (such as evaluation or saving): the training steps after which it runs. */
interface WorkPlan {
  /** Number of training steps between two runs of the work; null if it does not run during training. */
  readonly every: number | null;
  readonly atEnd: boolean;
}

/** Returns the plans for evaluation, saving and sample answers of a training run. */
export function workPlans(
  {
    evalEvery = null,
    saveEvery = null,
    sampleEvery = null,
  }: { [K in `${"eval" | "save" | "sample"}Every`]?: number | null },
  counts: { readonly validation: number; readonly prompts: number },
): Record<SideWork, WorkPlan> {
  const plan = (count: number, every: number | null) =>
    count > 0 ? { every, atEnd: true } : { every: null, atEnd: false };
  return {
    evaluation: plan(counts.validation, evalEvery),
    save: { every: saveEvery, atEnd: true },
    samples: plan(counts.prompts, sampleEvery),
  };
}

/** Estimates the remaining time of a training, including the work between its steps. */
export class TimeLeft {
  readonly #maxSteps: number;
  readonly #plans: Readonly<Record<SideWork, WorkPlan>>;
  #step = 0;
  #steps = { count: 0, seconds: 0 };
  readonly #took = new Map<SideWork, { count: number; seconds: number }>();
  #since = performance.now();

  constructor(maxSteps: number, plans: Readonly<Record<SideWork, WorkPlan>>) {
    this.#maxSteps = maxSteps;
    this.#plans = plans;
  }

  /** Records a finished step: its number, counted from 1, and its wall time in seconds. */
  step(step: number, seconds: number): void {
    this.#step = step;
    this.#steps = { count: this.#steps.count + 1, seconds: this.#steps.seconds + seconds };
  }

  /** Records that `work` ran once between two steps and took `seconds` of wall time. */
  side(work: SideWork, seconds: number): void {
    const before = this.#took.get(work) ?? { count: 0, seconds: 0 };
    this.#took.set(work, { count: before.count + 1, seconds: before.seconds + seconds });
  }

  /** Starts a stopwatch for the work that begins now. `did` reads the stopwatch. */
  begin(): void {
    this.#since = performance.now();
  }

  /** Records that `work` took the time since the last call of `begin` or `did`. */
  did(work: SideWork): void {
    this.side(work, (performance.now() - this.#since) / 1000);
    this.begin();
  }

  /**
   * Estimated seconds until the end of training, from the average times so far. Kinds of work that have not run yet
   * count as 0 seconds.
   */
  get seconds(): number {
    const { count, seconds } = this.#steps;
    const steps = count === 0 ? 0 : ((this.#maxSteps - this.#step) * seconds) / count;
    const beside = Array.from(this.#took, ([work, took]) => (this.#times(work) * took.seconds) / took.count);
    return beside.reduce((sum, time) => sum + time, steps);
  }

  /** Returns how many more times `work` will run until the end of training. */
  #times(work: SideWork): number {
    const { every, atEnd } = this.#plans[work];
    const last = atEnd ? 1 : 0;
    if (every === null) return last;
    return Math.max(0, Math.floor((this.#maxSteps - 1) / every) - Math.floor(this.#step / every)) + last;
  }
}
