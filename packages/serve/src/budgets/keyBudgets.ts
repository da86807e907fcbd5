import type { OptionKeys } from "@lowrank/core";

/**
 * The most that one API key may use. `requests`, `tokensPerMinute` and `adapterMemory` are counted
 * by each server on its own; the others are counted in the store, for all its servers together.
 */
export interface KeyBudgets {
  /** Sequences that run or wait. Default: as many as leave the same number free for other keys. */
  readonly requests: number | null;
  /** Tokens of prompts and new tokens. Default: any number. */
  readonly tokensPerMinute: number;
  /** Bytes of the adapters that running requests use at once. Default: all memory for adapters. */
  readonly adapterMemory: number;
  /** Bytes of files and of the runs of fine-tunes. Default: 20e9. */
  readonly storedBytes: number;
  /** Uploaded files. Default: 1000. */
  readonly files: number;
  /** Fine-tunes that wait or run. Default: 10. */
  readonly jobs: number;
  /** Minutes of training in a day of UTC. Default: any number. */
  readonly trainerMinutes: number;
  /** Minutes of training of one fine-tune, over all its attempts. Default: 720. */
  readonly jobMinutes: number;
  /** Steps of one fine-tune. Default: 100000. */
  readonly steps: number;
  /** The largest rank of a fine-tune's adapter. Default: 256. */
  readonly rank: number;
}

/** The names of all budgets. */
export const budgetKeys: OptionKeys<KeyBudgets> = {
  ...({ requests: true, tokensPerMinute: true, adapterMemory: true, storedBytes: true, files: true } as const),
  ...({ jobs: true, trainerMinutes: true, jobMinutes: true, steps: true, rank: true } as const),
};

/** The budgets of a key for which nothing else is configured. */
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

/** Returns the budgets of a key: its own, then the server's, then the defaults. */
export function budgetsOf(own: Partial<KeyBudgets> | undefined, server: Partial<KeyBudgets> | undefined): KeyBudgets {
  const given = [server, own].flatMap((budgets) =>
    Object.entries(budgets ?? {}).filter(([, value]) => value !== undefined),
  );
  return { ...defaultBudgets, ...Object.fromEntries(given) };
}

/** Throws, naming the budget and `what` has it, for a value that is not a count above 0. */
export function checkBudgets(what: string, budgets: Partial<KeyBudgets>): void {
  for (const [name, value] of Object.entries(budgets)) {
    if (value === undefined || value === null) continue;
    if (typeof value === "number" && value > 0) continue;
    throw new Error(`${what}: the budget ${name} is ${value}; give a number above 0`);
  }
}
