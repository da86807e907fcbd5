/** Limits of a tenant's sequences. */
export interface SequenceLimits {
  /** The tenant's own limit. Null: a share that leaves sequences free for other tenants. */
  readonly requests: number | null;
  /** True if other tenants use the server too. */
  readonly shared: boolean;
}

/**
 * Counts the running and waiting sequences of a server, by tenant. A tenant without its own limit may have at most as
 * many sequences as remain free for others (Choudhury and Hahne 1998): half of the server's sequences if no other
 * tenant has any, a third if one other tenant has as many. A tenant that arrives later therefore always finds free
 * sequences.
 */
export class RequestShares {
  readonly #places: number;
  readonly #held = new Map<string, number>();
  #total = 0;

  constructor(places: number) {
    this.#places = places;
  }

  /** Number of sequences of all tenants. */
  get total(): number {
    return this.#total;
  }

  /** Returns the number of sequences of a tenant. */
  heldBy(tenant: string): number {
    return this.#held.get(tenant) ?? 0;
  }

  /** Returns the maximum number of sequences that a tenant may ever have at once. */
  limitOf({ requests, shared }: SequenceLimits): number {
    const share = shared ? Math.max(1, Math.floor(this.#places / 2)) : this.#places;
    return Math.min(requests ?? share, this.#places);
  }

  /** Returns how many more sequences a tenant may have now. */
  freeFor(tenant: string, limits: SequenceLimits): number {
    const held = this.heldBy(tenant);
    const free = this.#places - this.#total;
    const own = this.limitOf(limits) - held;
    if (limits.requests !== null || !limits.shared) return Math.max(0, Math.min(free, own));
    // held + n <= free - n
    const share = Math.max(Math.floor((free - held) / 2), held === 0 ? 1 : 0);
    return Math.max(0, Math.min(free, own, share));
  }

  /**
   * Reserves sequences for a tenant. The returned function frees them. Call `freeFor` first; this function does not
   * check limits.
   */
  take(tenant: string, sequences: number): () => void {
    this.#change(tenant, sequences);
    let taken = true;
    return () => {
      if (taken) this.#change(tenant, -sequences);
      taken = false;
    };
  }

  #change(tenant: string, by: number): void {
    this.#total += by;
    const held = this.heldBy(tenant) + by;
    if (held === 0) this.#held.delete(tenant);
    else this.#held.set(tenant, held);
  }
}

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
