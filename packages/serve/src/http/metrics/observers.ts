import type { ServingStats } from "../../api/api.ts";
import type { BudgetUse } from "../../budgets/budgets.ts";

/** Structured logger, as in pino. */
export interface ServingLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Metrics of the server. `adapter` is null for the base model. */
export interface ServingMetrics {
  readonly contentType: string;
  answered(route: string, status: number, seconds: number): void;
  /** Records the seconds from a sequence's arrival to its first pass. */
  queued(adapter: string | null, seconds: number): void;
  firstToken(adapter: string | null, seconds: number): void;
  nextToken(adapter: string | null, seconds: number): void;
  finished(adapter: string | null, sequence: FinishedSequence): void;
  /** Returns all metrics as text. `scrape` holds the values that are read now, such as the engine's statistics. */
  render(scrape: Scrape): Promise<string>;
}

/** Facts about a finished sequence. `seconds` are counted from the arrival of the request's body. */
interface FinishedSequence {
  readonly promptTokens: number;
  readonly newTokens: number;
  readonly reason: "stop" | "length";
  readonly seconds: number;
}

/** State of the server when its metrics are read. */
export interface Scrape {
  readonly stats: ServingStats;
  readonly budgets: readonly BudgetUse[];
  /** Name of the base model. */
  readonly model: string;
  /** Number of fine-tunes by status; empty for a server without fine-tuning. */
  readonly jobs: Readonly<Record<string, number>>;
}

/** Metrics that record nothing. */
export const noMetrics: ServingMetrics = {
  contentType: "text/plain",
  answered: () => {},
  queued: () => {},
  firstToken: () => {},
  nextToken: () => {},
  finished: () => {},
  render: async () => "",
};

/** Logger that writes nothing. */
export const noLogger: ServingLogger = { info: () => {}, warn: () => {}, error: () => {} };
