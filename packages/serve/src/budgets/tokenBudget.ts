/** Milliseconds in a minute. */
const minuteMs = 60_000;

/**
 * Token budget of one tenant: a bucket of `limit` tokens, full at first, which refills evenly within a minute. Tokens
 * are reserved when a request is admitted, and corrected when it ends.
 */
export class TokenBudget {
  readonly limit: number;
  readonly #now: () => number;
  #level: number;
  #at: number;

  /** `limit` is the number of tokens per minute. `now` returns milliseconds. */
  constructor(limit: number, now: () => number = () => performance.now()) {
    this.limit = limit;
    this.#now = now;
    this.#level = limit;
    this.#at = now();
  }

  /** Number of tokens that can be taken now; negative after use beyond the limit. */
  get remaining(): number {
    this.#refill();
    return Math.max(0, Math.floor(this.#level));
  }

  /** Seconds until all tokens are available again. */
  get resetSeconds(): number {
    return this.secondsUntil(this.limit);
  }

  /** Returns the seconds until this many tokens are available. */
  secondsUntil(tokens: number): number {
    this.#refill();
    const missing = Math.min(tokens, this.limit) - this.#level;
    return (Math.max(0, missing) / this.limit) * (minuteMs / 1000);
  }

  /** Takes tokens; a negative count returns tokens. Use beyond the limit makes the level negative. */
  take(tokens: number): void {
    this.#refill();
    this.#level = Math.min(this.limit, this.#level - tokens);
  }

  #refill(): void {
    const now = this.#now();
    this.#level = Math.min(this.limit, this.#level + ((now - this.#at) / minuteMs) * this.limit);
    this.#at = now;
  }
}
