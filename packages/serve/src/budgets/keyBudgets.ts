/**
 * Limits of one API key. `requests`, `tokensPerMinute` and `adapterMemory` are counted by each server separately. The
 * other limits are counted in the store, for all servers that use it.
 */
export interface KeyBudgets {
  /**
   * Maximum number of running and waiting sequences. Default (null): depends on the load. A key may then have at most
   * as many sequences as remain free for other keys: half of the server's sequences if no other key has any. If the
   * server has no other keys, the key may have all sequences.
   */
  readonly requests: number | null;
  /** Maximum number of prompt and new tokens per minute. Default: no limit. */
  readonly tokensPerMinute: number;
  /** Maximum number of bytes of adapters that running requests use at once. Default: no limit. */
  readonly adapterMemory: number;
  /** Maximum number of bytes of stored files and fine-tuning runs. Default 20e9. */
  readonly storedBytes: number;
  /** Maximum number of uploaded files that the key may have in the store. Default 1000. */
  readonly files: number;
  /** Maximum number of waiting and running fine-tuning jobs. Default 10. */
  readonly jobs: number;
  /** Maximum number of minutes of training per UTC day, of all jobs of the key together. Default: no limit. */
  readonly trainerMinutes: number;
  /** Maximum number of minutes of training of one fine-tuning job, over all its attempts. Default 720. */
  readonly jobMinutes: number;
  /** Maximum number of training steps of one fine-tuning job. Default 100000. */
  readonly steps: number;
  /** Largest rank of a fine-tune's adapter. Default 256. */
  readonly rank: number;
}

/** Default budgets of a key. */
export const defaultBudgets: KeyBudgets = {
  requests: null,
  tokensPerMinute: Number.POSITIVE_INFINITY,
  adapterMemory: Number.POSITIVE_INFINITY,
  storedBytes: 20e9,
  files: 1000,
  jobs: 10,
  trainerMinutes: Number.POSITIVE_INFINITY,
  jobMinutes: 720,
  steps: 100_000,
  rank: 256,
};

/** Returns the budgets of a key. The key's own values override the server's, which override the defaults. */
export function budgetsOf(own: Partial<KeyBudgets> | undefined, server: Partial<KeyBudgets> | undefined): KeyBudgets {
  const given = [server, own].flatMap((budgets) =>
    Object.entries(budgets ?? {}).filter(([, value]) => value !== undefined),
  );
  return { ...defaultBudgets, ...Object.fromEntries(given) };
}

/**
 * Throws for a value that is not a number above 0. The error names the budget. `what` describes the owner of the
 * budgets in the error.
 */
export function checkBudgets(what: string, budgets: Partial<KeyBudgets>): void {
  for (const [name, value] of Object.entries(budgets)) {
    if (value === undefined || value === null) continue;
    if (typeof value === "number" && value > 0) continue;
    throw new Error(`${what}: the budget ${name} is ${value}; give a number above 0`);
  }
}
