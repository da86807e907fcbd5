import type { StepReport } from "@lowrank/train";
import { SingleBar } from "cli-progress";

/** Shows how a training run goes: a bar on a terminal, else about twenty lines in all. */
export interface TrainProgress {
  step(report: StepReport): void;
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
function pace(): (report: StepReport) => { loss: string; speed: string; left: string } {
  let [steps, tokens, seconds] = [0, 0, 0];
  return (report) => {
    steps++;
    tokens += report.tokens;
    seconds += report.seconds;
    return {
      loss: report.loss.toFixed(4),
      speed: `${Math.round(tokens / seconds).toLocaleString("en-US")} tokens/s`,
      left: `${formatSeconds(((report.maxSteps - report.step) * seconds) / steps)} left`,
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
  return {
    step: (report) => {
      const shown = describe(report);
      if (!bar.isActive) bar.start(report.maxSteps, report.step, shown);
      bar.update(report.step, shown);
    },
    note: (text) => {
      clear();
      stream.write(`${text}\n`);
    },
    end: clear,
  };
}

function lineProgress(stream: NodeJS.WriteStream): TrainProgress {
  const describe = pace();
  return {
    step: (report) => {
      const { loss, speed, left } = describe(report);
      const { step, maxSteps } = report;
      if (step % Math.ceil(maxSteps / 20) !== 0 && step !== maxSteps) return;
      stream.write(`step ${step} of ${maxSteps} | loss ${loss} | ${speed} | ${left}\n`);
    },
    note: (text) => stream.write(`${text}\n`),
    end: () => {},
  };
}

/** Such as "1 h 02 min", "3 min 20 s", "8.4 s". */
export function formatSeconds(seconds: number): string {
  const whole = Math.round(seconds);
  const two = (n: number) => String(n).padStart(2, "0");
  if (whole >= 3600) return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
  if (whole >= 60) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return whole >= 10 ? `${whole} s` : `${seconds.toFixed(1)} s`;
}
