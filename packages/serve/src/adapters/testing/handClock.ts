import type { StoreClock } from "../../storage/storeClock.ts";

interface Timer {
  readonly at: number;
  readonly fn: () => void;
}

/** Clock whose time changes only by calls. */
export class HandClock implements StoreClock {
  #now = 0;
  #timers: Timer[] = [];

  now(): number {
    return this.#now;
  }

  after(ms: number, fn: () => void): () => void {
    const timer = { at: this.#now + ms, fn };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Number of pending timers. */
  get timers(): number {
    return this.#timers.length;
  }

  /** Advances the time by `ms` milliseconds, and calls the timers that are due. */
  turn(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const next = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#now = next.at;
      next.fn();
    }
    this.#now = end;
  }

  /**
   * Advances the time to the next timer repeatedly, until a promise has settled. Ignores timers that are more than a
   * second away, such as timeouts.
   */
  async until<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const done = promise.finally(() => {
      settled = true;
    });
    done.catch(() => undefined);
    while (!settled) {
      const soonest = Math.min(...this.#timers.map(({ at }) => at));
      if (soonest <= this.#now + 1000) this.turn(Math.max(0, soonest - this.#now));
      await new Promise((resolve) => setTimeout(resolve));
    }
    return done;
  }
}
