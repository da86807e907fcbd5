import type { ServingStats } from "../../api/api.ts";
import type { BudgetUse } from "../../budgets/budgets.ts";

/** Writes structured lines, as pino does. */
export interface ServingLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Counts and times what the server does. `adapter` is null for the base model. */
export interface ServingMetrics {
  readonly contentType: string;
  answered(route: string, status: number, seconds: number): void;
  /** Seconds from a sequence's arrival to its first pass. */
  queued(adapter: string | null, seconds: number): void;
  firstToken(adapter: string | null, seconds: number): void;
  nextToken(adapter: string | null, seconds: number): void;
  finished(adapter: string | null, sequence: FinishedSequence): void;
  /** Writes all that was counted, and what is read now. */
  render(scrape: Scrape): Promise<string>;
}

/** A sequence that has finished. `seconds` are counted from the request's body. */
interface FinishedSequence {
  readonly promptTokens: number;
  readonly newTokens: number;
  readonly reason: "stop" | "length";
  readonly seconds: number;
}

/** The state of the server when its metrics are read. */
export interface Scrape {
  readonly stats: ServingStats;
  readonly budgets: readonly BudgetUse[];
  /** The base model's name. */
  readonly model: string;
  /** The number of fine-tunes by status; empty for a server without fine-tunes. */
  readonly jobs: Readonly<Record<string, number>>;
}

/** Keeps nothing. */
export const noMetrics: ServingMetrics = {
  contentType: "text/plain",
  answered: () => {},
  queued: () => {},
  firstToken: () => {},
  nextToken: () => {},
  finished: () => {},
  render: async () => "",
};

/** Writes nothing. */
export const noLogger: ServingLogger = { info: () => {}, warn: () => {}, error: () => {} };
