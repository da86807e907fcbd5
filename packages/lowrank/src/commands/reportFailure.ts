/** Says on stderr what went wrong, in one line (with the stack where LOWRANK_DEBUG=1), and makes the exit code 1. */
export function reportFailure(error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  console.error(`error: ${message}`);
  if (process.env.LOWRANK_DEBUG === "1") console.error(error);
  process.exitCode = 1;
}
