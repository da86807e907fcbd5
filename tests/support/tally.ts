/** Counts of checks that passed and failed: the last line of every command that runs checks. */
export interface Tally {
  passed: number;
  failed: number;
}

export function formatTally({ passed, failed }: Tally): string {
  return `${passed} passed, ${failed} failed`;
}

/** Reads the last non-empty line of a command's output; returns undefined if it is not a tally. */
export function parseTally(output: string): Tally | undefined {
  const match = /^(\d+) passed, (\d+) failed$/.exec(output.trimEnd().split("\n").at(-1) ?? "");
  return match === null ? undefined : { passed: Number(match[1]), failed: Number(match[2]) };
}
