import { ServingError } from "../api/api.ts";
import type { StoreClock } from "../storage/storeClock.ts";

interface Failure {
  readonly error: ServingError;
  readonly until: number;
  /** State of the folder at the failure; null if unknown. */
  readonly state: string | null;
  /** Time of the last comparison of the state. */
  checked: number;
}

/** Most failures that are remembered. The oldest are dropped. */
const most = 1000;

/** Recent failures, so that a broken adapter is not read again for each request. */
export class Failures {
  readonly #clock: StoreClock;
  readonly #forMs: number;
  readonly #checkMs: number;
  readonly #byKey = new Map<string, Failure>();

  constructor(clock: StoreClock, { forMs, checkMs }: { forMs: number; checkMs: number }) {
    this.#clock = clock;
    this.#forMs = forMs;
    this.#checkMs = checkMs;
  }

  /** Throws the failure of `key`, unless it has expired or its folder has changed since. */
  async check(key: string, state: () => Promise<string | null>): Promise<void> {
    const failure = this.#byKey.get(key);
    if (!failure) return;
    const now = this.#clock.now();
    if (now < failure.until) {
      const recent = now - failure.checked < this.#checkMs;
      if (!recent) failure.checked = now;
      if (recent || [failure.state, null].includes(await state())) {
        // Repeats the first answer, since a difference would show that others have asked before.
        const { code, message, param, retryAfter } = failure.error;
        throw new ServingError(code, message, param, retryAfter);
      }
    }
    this.#byKey.delete(key);
  }

  add(key: string, error: ServingError, state: string | null): void {
    const now = this.#clock.now();
    this.#byKey.delete(key);
    this.#byKey.set(key, { error, state, until: now + this.#forMs, checked: now });
    for (const old of this.#byKey.keys()) {
      if (this.#byKey.size <= most) break;
      this.#byKey.delete(old);
    }
  }

  forget(key: string): void {
    this.#byKey.delete(key);
  }
}
