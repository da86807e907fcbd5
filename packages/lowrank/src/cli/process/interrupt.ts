import { constants } from "node:os";

/** Signals that stop a command gracefully. */
const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Time in milliseconds in which a second SIGINT counts as the same Ctrl-C. If npm or pnpm runs the command, it forwards
 * the signal, which then arrives twice.
 */
const sameKeyMs = 500;

/** Error of a command that a signal stopped gracefully. */
export class Interrupted extends Error {
  /** Exit code: 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP. */
  readonly exitCode: number;

  constructor(signal: NodeJS.Signals) {
    super(`stopped by ${signal}`);
    this.exitCode = 128 + constants.signals[signal];
  }
}

/**
 * Runs `work` with an abort signal. The first Ctrl-C, SIGTERM or SIGHUP aborts this signal, with an `Interrupted` as
 * its reason, and calls `onInterrupt`. If Ctrl-C is pressed again before `work` has ended, the process ends at once.
 * Other signals are ignored by then, since a terminal that closes sends several.
 */
export async function withInterrupt<T>(onInterrupt: () => void, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  let stoppedAt = 0;
  const stop = (signal: NodeJS.Signals) => {
    if (!controller.signal.aborted) {
      stoppedAt = performance.now();
      controller.abort(new Interrupted(signal));
      onInterrupt();
      return;
    }
    if (signal !== "SIGINT" || performance.now() - stoppedAt < sameKeyMs) return;
    restore();
    process.kill(process.pid, signal);
  };
  const restore = () => {
    for (const signal of signals) process.off(signal, stop);
  };
  for (const signal of signals) process.on(signal, stop);
  try {
    return await work(controller.signal);
  } finally {
    restore();
  }
}
