/** Clock of an adapter store. Tests replace it. */
export interface StoreClock {
  /** Returns a monotonic time in milliseconds. */
  now(): number;
  /**
   * Calls `fn` once after `ms` milliseconds, and returns a function that cancels it. `background` is true for work that
   * should not keep the process alive.
   */
  after(ms: number, fn: () => void, background?: boolean): () => void;
}

/** Monotonic clock of the system, independent of changes to the wall clock. */
export const systemClock: StoreClock = {
  now: () => performance.now(),
  after: (ms, fn, background = false) => {
    const timer = setTimeout(fn, ms);
    // Only Node's timers keep a process alive. Timers of a page are plain ids.
    if (background && typeof timer === "object") timer.unref();
    return () => clearTimeout(timer);
  },
};

/** Resolves after `ms` milliseconds. */
export function pause(clock: StoreClock, ms: number): Promise<void> {
  return new Promise((resolve) => clock.after(ms, resolve));
}
