import type { KeyBudgets } from "@lowrank/serve/http";
import { z } from "zod";
import { parseBytes } from "../../cli/byteCount.ts";

/** Schema of a size: a number of bytes, or a text such as "256MB". */
export const bytes: z.ZodType<number> = z.union([z.int().min(1), z.string()]).transform((value, context) => {
  const found = typeof value === "number" ? value : parseBytes(value);
  if (found !== null) return found;
  context.addIssue(`expected a number of bytes, such as 256MB, and it is "${value}"`);
  return z.NEVER;
});

/** Schema of a whole number above 0. */
export const count: z.ZodInt = z.int().min(1);

const minutes = z.number().gt(0);

/** Schema of each budget that an API key can have, by the budget's name in the keys file. */
const shape = {
  requests: count.optional(),
  "tokens-per-minute": count.optional(),
  "adapter-memory": bytes.optional(),
  "stored-bytes": bytes.optional(),
  files: count.optional(),
  jobs: count.optional(),
  "trainer-minutes": minutes.optional(),
  "job-minutes": minutes.optional(),
  steps: count.optional(),
  rank: count.optional(),
};

/** Names of the budgets that an API key can have, as in the keys file. */
export const budgetNames: readonly string[] = Object.keys(shape);

/** Schema of the `budgets` field of an API key in the keys file. */
export const budgetsSchema: z.ZodType<Partial<KeyBudgets>> = z.strictObject(shape).transform((named) => {
  const camelCase = (name: string) => name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
  const given = Object.entries(named).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given.map(([name, value]) => [camelCase(name), value]));
});

/** Budgets that apply to every API key that does not set its own, by the names of the flags of `lowrank serve`. */
export interface BudgetSettings {
  readonly "max-files": number;
  readonly "max-jobs": number;
  readonly "max-job-minutes"?: number;
  readonly "max-job-steps"?: number;
  readonly "max-job-rank"?: number;
  readonly "key-requests"?: number;
  readonly "key-tokens-per-minute"?: number;
  /** Maximum number of bytes of adapters that running requests of one key use at once. */
  readonly "key-adapter-memory"?: number;
  readonly "key-stored-bytes"?: number;
  readonly "key-trainer-minutes"?: number;
}

/** Schemas of the settings in `BudgetSettings`. */
export const budgetSettings: { readonly [K in keyof BudgetSettings]-?: z.ZodType<BudgetSettings[K]> } = {
  "max-files": count.default(1000),
  "max-jobs": count.default(10),
  "max-job-minutes": shape["job-minutes"],
  "max-job-steps": shape.steps,
  "max-job-rank": shape.rank,
  "key-requests": shape.requests,
  "key-tokens-per-minute": shape["tokens-per-minute"],
  "key-adapter-memory": shape["adapter-memory"],
  "key-stored-bytes": shape["stored-bytes"],
  "key-trainer-minutes": shape["trainer-minutes"],
};

/** Converts the settings to budgets, which apply to keys that do not set their own. */
export function budgetsOfSettings(settings: BudgetSettings): Partial<KeyBudgets> {
  const budgets = {
    requests: settings["key-requests"],
    tokensPerMinute: settings["key-tokens-per-minute"],
    adapterMemory: settings["key-adapter-memory"],
    storedBytes: settings["key-stored-bytes"],
    files: settings["max-files"],
    jobs: settings["max-jobs"],
    trainerMinutes: settings["key-trainer-minutes"],
    jobMinutes: settings["max-job-minutes"],
    steps: settings["max-job-steps"],
    rank: settings["max-job-rank"],
  };
  return Object.fromEntries(Object.entries(budgets).filter(([, value]) => value !== undefined));
}
