import type { Warning } from "@lowrank/peft";
import type { StepReport } from "@lowrank/train";
import type { MetricsLine } from "../files/metrics.ts";
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
  /** Reports a step. Default of `secondsLeft`: the time for the remaining steps at the average pace so far. */
  step(report: StepReport, secondsLeft?: number): void;
  /** Reports a line of metrics.jsonl. */
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
