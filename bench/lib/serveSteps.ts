import { createInterface } from "node:readline";
import { peakBytes } from "./peakBytes.ts";

/**
 * The answer of a training process to each step: the loss before it, and the most
 * memory the process has held.
 */
export interface StepResult {
  loss: number;
  peakBytes: number;
}

/** Prints a line. Then, for each line on stdin, does one step and prints one JSON line. */
export async function serveSteps(step: () => number): Promise<void> {
  console.log("ready");
  for await (const _ of createInterface({ input: process.stdin })) {
    const result: StepResult = { loss: step(), peakBytes: peakBytes() };
    console.log(JSON.stringify(result));
  }
}
