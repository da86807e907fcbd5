import { constants } from "node:os";

/** Signals at which a command ends what it does in good order. */
const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** The end of a command that was asked to stop, and did so in good order. */
export class Interrupted extends Error {
  /** 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP. */
  readonly exitCode: number;

  constructor(signal: NodeJS.Signals) {
    super(`stopped by ${signal}`);
    this.exitCode = 128 + constants.signals[signal];
  }
}

/**
 * Runs `work` with a signal that Ctrl-C, SIGTERM or SIGHUP aborts; its reason is then an
 * `Interrupted`. The second time it ends the process as ever.
 */
export async function withInterrupt<T>(onInterrupt: () => void, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const stop = (signal: NodeJS.Signals) => {
    restore();
    onInterrupt();
    controller.abort(new Interrupted(signal));
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
