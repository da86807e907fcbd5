import type { ServingStats } from "../api.ts";
import type { BudgetUse } from "../budgets/budgets.ts";

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
  firstToken(adapter: string | null, seconds: number): void;
  nextToken(adapter: string | null, seconds: number): void;
  finished(adapter: string | null, promptTokens: number, newTokens: number): void;
  /** Writes all that was counted, and the engine's own numbers. */
  render(stats: ServingStats, budgets: readonly BudgetUse[]): Promise<string>;
}

/** Keeps nothing. */
export const noMetrics: ServingMetrics = {
  contentType: "text/plain",
  answered: () => {},
  firstToken: () => {},
  nextToken: () => {},
  finished: () => {},
  render: async () => "",
};

/** Writes nothing. */
export const noLogger: ServingLogger = { info: () => {}, warn: () => {}, error: () => {} };
