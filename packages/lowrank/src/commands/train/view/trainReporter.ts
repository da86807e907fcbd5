import type { Warning } from "@lowrank/peft";
import type { StepReport } from "@lowrank/train";
import type { MetricsLine } from "../files/metrics.ts";
import { trainProgress } from "./trainProgress.ts";

/** Tells people or programs of a training while it runs, and at its end. */
export interface TrainReporter {
  /** Tells people of what goes on now. */
  note(text: string): void;
  /** A line of the result. */
  say(text: string): void;
  warn(warning: Warning): void;
  /** The warnings so far, in words. */
  readonly warnings: readonly string[];
  /** A step, with the seconds that the training still takes. */
  step(report: StepReport, secondsLeft: number): void;
  /** A line of metrics.jsonl. */
  metrics(line: MetricsLine): void;
  /** Ends what is drawn. */
  end(): void;
  /** The result as a whole, for programs. */
  result(result: object): void;
}

/** Options that say how a training tells what it does. */
export interface TrainReporterOptions {
  quiet?: boolean;
  json?: boolean;
}

/** Returns the voice of a command: results go to stdout, all else to stderr. */
export function trainReporter({ quiet, json }: TrainReporterOptions): TrainReporter {
  const warnings: string[] = [];
  const voice = json ? jsonVoice(quiet ?? false) : textVoice(quiet ?? false);
  const warn = (warning: Warning) => {
    warnings.push(warning.message);
    voice.warn(warning);
  };
  return { ...voice, warn, warnings };
}

/** A way to tell things. */
type Channel = Omit<TrainReporter, "warnings">;

/** One object of JSON on stdout at the end, and lines of JSON on stderr until then. */
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
