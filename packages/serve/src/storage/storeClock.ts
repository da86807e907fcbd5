/** The time that an adapter store goes by. A test turns it by hand. */
export interface StoreClock {
  /** Milliseconds since some moment; never goes back. */
  now(): number;
  /**
   * Calls `fn` once, after so many milliseconds, and returns a function that prevents it.
   * `background` is true for work that should not keep a process from ending.
   */
  after(ms: number, fn: () => void, background?: boolean): () => void;
}

/** The time of the machine, which goes on evenly when somebody sets its clock. */
export const systemClock: StoreClock = {
  now: () => performance.now(),
  after: (ms, fn, background = false) => {
    const timer = setTimeout(fn, ms);
    // Only Node's timers keep a process alive; those of a page are numbers.
    if (background && typeof timer === "object") timer.unref();
    return () => clearTimeout(timer);
  },
};

/** Resolves after so many milliseconds. */
export function pause(clock: StoreClock, ms: number): Promise<void> {
  return new Promise((resolve) => clock.after(ms, resolve));
}
