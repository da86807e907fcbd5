import { ServingError } from "../api/api.ts";
import type { StoreClock } from "../storage/storeClock.ts";

interface Failure {
  readonly error: ServingError;
  readonly until: number;
  /** Fingerprint of the adapter's folder when the load failed; null if unknown. */
  readonly state: string | null;
  /** Time when the folder was last compared with `state`, in milliseconds. */
  checked: number;
}

/** Maximum number of failures to remember. The oldest are dropped. */
const most = 1000;

/** Remembers recent failures of adapters, so that a broken adapter is not read again for each request. */
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

  /**
   * Rethrows the remembered error for `key`. Does nothing if there is none, if it has expired, or if `state`, which
   * returns the current fingerprint of the adapter's folder, differs from when the load failed.
   */
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
