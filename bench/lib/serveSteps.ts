import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

/** A training process's result of a step: the loss before the step, and the peak memory of the process in bytes. */
export interface StepResult {
  loss: number;
  peakBytes: number;
}

/** Prints a line. Then, for each line on stdin, runs one step and prints one JSON line. */
export async function serveSteps(step: () => number): Promise<void> {
  console.log("ready");
  for await (const _ of createInterface({ input: process.stdin })) {
    const result: StepResult = { loss: step(), peakBytes: peakBytes() };
    console.log(JSON.stringify(result));
  }
}

/** Returns the peak resident memory of this process in bytes. */
export function peakBytes(): number {
  if (process.platform !== "linux") return process.resourceUsage().maxRSS * 1024;
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8"))?.[1]) * 1024;
}
