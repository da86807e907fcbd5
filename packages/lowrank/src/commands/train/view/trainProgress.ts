import type { StepReport } from "@lowrank/train";
import { TerminalView } from "../../../cli/terminalView.ts";
import { formatSeconds } from "../../../report/table.ts";
import { isSample, isValidation, type MetricsLine, measuresOf, type SampleLine } from "../files/metricsLog.ts";
import { trainViewLines } from "./trainView.ts";

/** Progress output of a training run: a live view on a terminal, or about twenty lines in total on another stream. */
export interface TrainProgress {
  /** Shows a finished step. If `secondsLeft` is missing, it is estimated from the average time of a step so far. */
  step(report: StepReport, secondsLeft?: number): void;
  /** Shows an entry of metrics.jsonl. */
  metrics(line: MetricsLine): void;
  /** Prints a line of text without disturbing the live view. */
  note(text: string): void;
  end(): void;
}

/** Creates the progress output on `stream`, which is stderr for a command with results on stdout. */
export function trainProgress(stream: NodeJS.WriteStream): TrainProgress {
  return stream.isTTY ? viewProgress(stream) : lineProgress(stream);
}

/**
 * Returns a function to call with each step's report. That function returns the average speed so far in tokens per
 * second, and the remaining seconds.
 */
function pace(): (report: StepReport, secondsLeft?: number) => { tokensPerSecond: number; secondsLeft: number } {
  let [steps, tokens, seconds] = [0, 0, 0];
  return (report, secondsLeft) => {
    steps++;
    tokens += report.tokens;
    seconds += report.seconds;
    const left = secondsLeft ?? ((report.maxSteps - report.step) * seconds) / steps;
    return { tokensPerSecond: tokens / seconds, secondsLeft: left };
  };
}

/** Minimum number of milliseconds between two redraws of the view. */
const between = 100;

function viewProgress(stream: NodeJS.WriteStream): TrainProgress {
  const view = new TerminalView(stream);
  const paceOf = pace();
  const losses: [number, number][] = [];
  const validations: [number, number][] = [];
  let samples: SampleLine | null = null;
  let latest: { report: StepReport; tokensPerSecond: number; secondsLeft: number } | null = null;
  let drawn = Number.NEGATIVE_INFINITY;
  const draw = () => {
    if (!latest) return;
    drawn = performance.now();
    const { report, ...speed } = latest;
    const memory = process.memoryUsage.rss();
    const state = { ...report, ...speed, losses, validations, memory, samples };
    const { columns, rows } = view;
    view.show(trainViewLines(state, { columns, rows, colours: stream.hasColors?.() ?? false }));
  };
  const metrics = (line: MetricsLine) => {
    if (isValidation(line)) validations.push([line.step, line.eval_loss]);
    if (isSample(line)) samples = line;
    draw();
  };
  return {
    step: (report, secondsLeft) => {
      if (!latest) stream.on("resize", draw);
      latest = { report, ...paceOf(report, secondsLeft) };
      losses.push([report.step, report.loss]);
      if (performance.now() - drawn >= between || report.step === report.maxSteps) draw();
    },
    metrics,
    note: (text) => view.write(`${text}\n`),
    end: () => {
      if (!latest) return;
      latest = { ...latest, secondsLeft: 0 };
      draw();
      view.leave();
      stream.off("resize", draw);
      latest = null;
    },
  };
}

function lineProgress(stream: NodeJS.WriteStream): TrainProgress {
  const paceOf = pace();
  const note = (text: string) => stream.write(`${text}\n`);
  return {
    step: (report, left) => {
      const { tokensPerSecond, secondsLeft } = paceOf(report, left);
      const { step, maxSteps, loss } = report;
      if (step % Math.ceil(maxSteps / 20) !== 0 && step !== maxSteps) return;
      const speed = `${Math.round(tokensPerSecond).toLocaleString("en-US")} tokens/s`;
      note(`step ${step} of ${maxSteps} | loss ${loss.toFixed(4)} | ${speed} | ${formatSeconds(secondsLeft)} left`);
    },
    metrics: (line) => describeLine(line).forEach(note),
    note,
    end: () => {},
  };
}

/**
 * Formats a validation result or sample answers as lines of text. Returns an empty list for the metrics of a training
 * step.
 */
function describeLine(line: MetricsLine): string[] {
  if (isValidation(line)) {
    const measures = measuresOf(line);
    const unit = measures.delete("perplexity") ? " nats per token" : "";
    const [[, loss], ...others] = measures;
    const more = others.map(([name, value]) => `, ${name} ${value.toFixed(4)}`);
    return [`step ${line.step}: validation loss ${loss.toFixed(4)}${unit}${more.join("")}`];
  }
  if (!isSample(line) || line.step === 0) return [];
  return line.samples.map(({ prompt, answer }) => `step ${line.step}: ${shortened(prompt)} -> ${shortened(answer)}`);
}

/** Returns the end of a text, on one line. */
function shortened(text: string): string {
  const line = text.replace(/\s+/g, " ").replace(/\p{Cc}/gu, "?");
  return line.length > 72 ? `...${line.slice(-69)}` : line;
}
