// `@lowrank/serve/http`: the HTTP server over an engine, for every runtime that has `fetch`.
export type { BudgetUse } from "../budgets/budgets.ts";
export { defaultBudgets, type KeyBudgets } from "../budgets/keyBudgets.ts";
export type { ApiKey } from "./apiKeys.ts";
export type { ServingApp } from "./appContext.ts";
export { type AppOptions, createApp } from "./createApp.ts";
export { defaultFineTuningLimits, type FineTuning, type FineTuningLimits } from "./fineTuning.ts";
export { defaultLimits, type ServingLimits } from "./limits.ts";
export { LiveKeys } from "./liveKeys.ts";
export type { ServingLogger, ServingMetrics } from "./observers.ts";
