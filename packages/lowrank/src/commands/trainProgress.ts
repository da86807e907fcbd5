import type { StepReport } from "@lowrank/train";
import { SingleBar } from "cli-progress";
import { formatSeconds } from "./formatSeconds.ts";
import { isSample, isValidation, type MetricsLine, measuresOf } from "./run/metrics.ts";

/** Shows how a training run goes: a bar on a terminal, else about twenty lines in all. */
export interface TrainProgress {
  /** A step. Without the seconds left, they are those of the steps at the pace so far. */
  step(report: StepReport, secondsLeft?: number): void;
  /** A line of metrics.jsonl. */
  metrics(line: MetricsLine): void;
  /** A line of its own. */
  note(text: string): void;
  end(): void;
}

/** Progress on `stream`, which is stderr for a command whose stdout holds results. */
export function trainProgress(stream: NodeJS.WriteStream): TrainProgress {
  return stream.isTTY ? barProgress(stream) : lineProgress(stream);
}

/**
 * Returns a function that turns step reports into text, with the speed and the time
 * left at the pace so far.
 */
function pace(): (report: StepReport, secondsLeft?: number) => { loss: string; speed: string; left: string } {
  let [steps, tokens, seconds] = [0, 0, 0];
  return (report, secondsLeft) => {
    steps++;
    tokens += report.tokens;
    seconds += report.seconds;
    return {
      loss: report.loss.toFixed(4),
      speed: `${Math.round(tokens / seconds).toLocaleString("en-US")} tokens/s`,
      left: `${formatSeconds(secondsLeft ?? ((report.maxSteps - report.step) * seconds) / steps)} left`,
    };
  };
}

function barProgress(stream: NodeJS.WriteStream): TrainProgress {
  const format = "{bar} step {value} of {total} | loss {loss} | {speed} | {left}";
  const bar = new SingleBar({ format, stream, gracefulExit: false, barsize: 24, clearOnComplete: true });
  const describe = pace();
  const clear = () => {
    if (bar.isActive) bar.stop();
  };
  const note = (text: string) => {
    clear();
    stream.write(`${text}\n`);
  };
  return {
    step: (report, secondsLeft) => {
      const shown = describe(report, secondsLeft);
      if (!bar.isActive) bar.start(report.maxSteps, report.step, shown);
      bar.update(report.step, shown);
    },
    metrics: (line) => describeLine(line).forEach(note),
    note,
    end: clear,
  };
}

function lineProgress(stream: NodeJS.WriteStream): TrainProgress {
  const describe = pace();
  const note = (text: string) => stream.write(`${text}\n`);
  return {
    step: (report, secondsLeft) => {
      const { loss, speed, left } = describe(report, secondsLeft);
      const { step, maxSteps } = report;
      if (step % Math.ceil(maxSteps / 20) !== 0 && step !== maxSteps) return;
      stream.write(`step ${step} of ${maxSteps} | loss ${loss} | ${speed} | ${left}\n`);
    },
    metrics: (line) => describeLine(line).forEach(note),
    note,
    end: () => {},
  };
}

/** Says validations and answers in lines; steps have a line of their own. */
function describeLine(line: MetricsLine): string[] {
  if (isValidation(line)) {
    const measures = measuresOf(line);
    measures.delete("perplexity");
    const [[, loss], ...others] = measures;
    const more = others.map(([name, value]) => `, ${name} ${value.toFixed(4)}`);
    return [`step ${line.step}: validation loss ${loss.toFixed(4)} nats per token${more.join("")}`];
  }
  if (!isSample(line) || line.step === 0) return [];
  return line.samples.map(({ prompt, answer }) => `step ${line.step}: ${shortened(prompt)} -> ${shortened(answer)}`);
}

/** The end of a text, in a line. */
function shortened(text: string): string {
  const line = text.replace(/\s+/g, " ").replace(/\p{Cc}/gu, "?");
  return line.length > 72 ? `...${line.slice(-69)}` : line;
}
