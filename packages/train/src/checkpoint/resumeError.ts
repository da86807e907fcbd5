import type { RunDifference } from "./fingerprint.ts";

/** Thrown if you resume from a checkpoint of a different run. `differences` lists how the runs differ. */
export class ResumeError extends Error {
  override readonly name = "ResumeError";
  readonly differences: readonly RunDifference[];

  constructor(label: string, differences: readonly RunDifference[]) {
    const list = differences.map((difference) => describeDifference(difference)).join("; ");
    super(`${label} is of another run: ${list}; resume with the same, or with allowChanges`);
    this.differences = differences;
  }
}

/**
 * Formats a difference for messages: "seed is 2, and 1 in the checkpoint". `called` is the name to print; default: the
 * difference's name.
 */
export function describeDifference({ name, now, saved }: RunDifference, called: string = name): string {
  const show = (value: unknown) => (value === undefined ? "not set" : JSON.stringify(value));
  return `${called} is ${show(now)}, and ${show(saved)} in the checkpoint`;
}
