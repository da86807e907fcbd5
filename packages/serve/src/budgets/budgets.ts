import { plural } from "../api/plural.ts";
import { BudgetError } from "./budgetError.ts";
import type { KeyBudgets } from "./keyBudgets.ts";
import { RequestShares, TokenBudget } from "./requestLimits.ts";

/** Tenant with its budgets. */
export interface Spender {
  readonly tenant: string;
  readonly budgets: KeyBudgets;
  /** True if the server has other API keys too. */
  readonly shared: boolean;
}

/** Number of sequences and tokens that a request may need, computed before the request is queued. */
export interface RequestSize {
  readonly sequences: number;
  /** Tokens of the prompts. Ignored unless the key has a token budget. */
  readonly promptTokens?: number;
  /** Maximum number of tokens that the request generates, summed over all of its sequences. */
  readonly newTokens?: number;
  /**
   * True if the client set no limit on new tokens. If the key has fewer tokens left than the request may need, only the
   * tokens left are reserved, and the request is not refused.
   */
  readonly openEnded?: boolean;
  /** Name of the request's field that sets the number of sequences, for errors. */
  readonly param: string;
}

/** Sequences and tokens that an admitted request has reserved. */
export interface Admission {
  /**
   * Replaces the number of reserved tokens by the number of used ones, and frees the reserved sequences. Only the first
   * call has an effect.
   */
  end(usedTokens: number): void;
}

/** Use of one budget of a tenant. */
export interface BudgetUse {
  readonly tenant: string;
  readonly budget: keyof KeyBudgets;
  readonly used: number;
  readonly limit: number;
}

/** Seconds after which to retry a request that was refused because too many sequences wait or run. */
const retrySeconds = 1;

/**
 * Counts the sequences and tokens of each tenant of a server, and refuses requests that exceed the tenant's budgets.
 */
export class Budgets {
  readonly #shares: RequestShares;
  readonly #places: number;
  readonly #tokens = new Map<string, TokenBudget>();
  readonly #spenders = new Map<string, Spender>();
  readonly #now: () => number;

  /**
   * `pending` is the maximum number of sequences, waiting and running, of all tenants together. `now` returns
   * milliseconds.
   */
  constructor(pending: number, now: () => number = () => performance.now()) {
    this.#places = pending;
    this.#shares = new RequestShares(pending);
    this.#now = now;
  }

  /** Records a tenant, so that `uses` includes it from then on. */
  see(spender: Spender): void {
    this.#spenders.set(spender.tenant, spender);
  }

  /** Tenants that have sent a request. */
  get spenders(): readonly Spender[] {
    return [...this.#spenders.values()];
  }

  /**
   * Throws `BudgetError` for a request that would be refused with any prompt. Called before the prompt is tokenized.
   */
  check(spender: Spender, size: Pick<RequestSize, "sequences" | "param">): void {
    this.see(spender);
    this.#checkSequences(spender, size);
    const bucket = this.#bucket(spender);
    if (bucket === null || bucket.remaining > 0) return;
    throw new BudgetError(
      `This key has used all of its ${plural(bucket.limit, "token")} per minute. Try again later.`,
      {
        retryAfter: bucket.secondsUntil(1),
      },
    );
  }

  /** Reserves a request's sequences and tokens. Throws `BudgetError` if they exceed the tenant's budgets. */
  admit(spender: Spender, size: RequestSize): Admission {
    const { tenant } = spender;
    this.see(spender);
    this.#checkSequences(spender, size);
    const bucket = this.#bucket(spender);
    const correct = bucket && this.#reserveTokens(bucket, size);
    const release = this.#shares.take(tenant, size.sequences);
    let ended = false;
    return {
      end: (used) => {
        if (ended) return;
        ended = true;
        release();
        correct?.(used);
      },
    };
  }

  #checkSequences(spender: Spender, { sequences, param }: Pick<RequestSize, "sequences" | "param">): void {
    const limits = limitsOf(spender);
    const limit = this.#shares.limitOf(limits);
    if (sequences > limit) {
      throw new BudgetError(
        `The request needs ${plural(sequences, "sequence")}, but this key may run only ${limit} at once; send fewer.`,
        { retryAfter: null, param },
      );
    }
    if (sequences <= this.#shares.freeFor(spender.tenant, limits)) return;
    const held = this.#shares.heldBy(spender.tenant);
    const { total } = this.#shares;
    const full = total + sequences > this.#places;
    const why = full
      ? "The queue of the server is full"
      : `This key has ${plural(held, "sequence")} waiting or running`;
    throw new BudgetError(`${why}, and the request needs ${plural(sequences, "more sequence")}. Try again later.`, {
      retryAfter: retrySeconds,
    });
  }

  /** Reserves tokens for a request. The returned function replaces the reserved tokens by the number of tokens used. */
  #reserveTokens(bucket: TokenBudget, size: RequestSize): (used: number) => void {
    const tokens = this.#checkTokens(bucket, size);
    bucket.take(tokens);
    return (used) => bucket.take(used - tokens);
  }

  /** Returns the number of tokens to reserve. Throws `BudgetError` if the tenant has fewer left. */
  #checkTokens(bucket: TokenBudget, { promptTokens = 0, newTokens = 0, openEnded = false }: RequestSize): number {
    const { limit, remaining } = bucket;
    const least = promptTokens + 1;
    const wanted = openEnded
      ? Math.max(least, Math.min(promptTokens + newTokens, remaining))
      : promptTokens + newTokens;
    if (wanted > limit) {
      throw new BudgetError(
        `The request may use ${plural(wanted, "token")}, but this key has only ${limit} per minute; shorten the prompt, or lower max_tokens.`,
        { retryAfter: null, param: "max_tokens" },
      );
    }
    if (wanted <= remaining) return wanted;
    throw new BudgetError(
      `This key has ${remaining} of its ${limit} tokens per minute left, but the request may use ${wanted}. Try again later.`,
      { retryAfter: bucket.secondsUntil(wanted) },
    );
  }

  /** Returns the response headers with the remaining budgets, named as in OpenAI's API. */
  headers(spender: Spender): Record<string, string> {
    const limits = limitsOf(spender);
    const held = this.#shares.heldBy(spender.tenant);
    const headers: Record<string, string> = {
      "x-ratelimit-limit-requests": String(this.#shares.limitOf(limits)),
      // The number of free places would show the load of other tenants.
      "x-ratelimit-remaining-requests": String(Math.max(0, this.#shares.limitOf(limits) - held)),
      "x-ratelimit-reset-requests": duration(held === 0 ? 0 : retrySeconds),
    };
    const bucket = this.#bucket(spender);
    if (bucket === null) return headers;
    return {
      ...headers,
      "x-ratelimit-limit-tokens": String(bucket.limit),
      "x-ratelimit-remaining-tokens": String(bucket.remaining),
      "x-ratelimit-reset-tokens": duration(bucket.resetSeconds),
    };
  }

  /** Returns the used sequences and tokens of all recorded tenants, with their limits. */
  uses(): BudgetUse[] {
    return [...this.#spenders.values()].flatMap((spender): BudgetUse[] => {
      const { tenant } = spender;
      const limit = this.#shares.limitOf(limitsOf(spender));
      const bucket = this.#bucket(spender);
      return [
        { tenant, budget: "requests", used: this.#shares.heldBy(tenant), limit },
        ...(bucket === null
          ? []
          : [
              {
                ...{ tenant, budget: "tokensPerMinute" as const },
                ...{ used: bucket.limit - bucket.remaining, limit: bucket.limit },
              },
            ]),
      ];
    });
  }

  #bucket({ tenant, budgets: { tokensPerMinute: limit } }: Spender): TokenBudget | null {
    if (!Number.isFinite(limit)) return null;
    const known = this.#tokens.get(tenant);
    if (known?.limit === limit) return known;
    const bucket = new TokenBudget(limit, this.#now);
    // A changed limit keeps the tokens already used.
    if (known) bucket.take(known.limit - known.remaining);
    this.#tokens.set(tenant, bucket);
    return bucket;
  }
}

function limitsOf({ budgets: { requests }, shared }: Spender) {
  return { requests, shared };
}

/** Formats a duration as OpenAI does: "1s", "6m0s", "250ms". */
function duration(seconds: number): string {
  if (seconds > 0 && seconds < 1) return `${Math.ceil(seconds * 1000)}ms`;
  const whole = Math.ceil(seconds);
  return whole < 60 ? `${whole}s` : `${Math.floor(whole / 60)}m${whole % 60}s`;
}
