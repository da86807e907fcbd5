// `@lowrank/serve/http`: HTTP server for an engine, for every runtime with `fetch`.
export type { BudgetUse } from "../budgets/budgets.ts";
export { defaultBudgets, type KeyBudgets } from "../budgets/keyBudgets.ts";
export { type ApiKey, LiveKeys } from "./app/apiKeys.ts";
export type { ServingApp } from "./app/appContext.ts";
export { type AppOptions, createApp } from "./createApp.ts";
export type { ServingLogger, ServingMetrics } from "./metrics/observers.ts";
export { defaultLimits, type ServingLimits } from "./requests/limits.ts";
export { defaultFineTuningLimits, type FineTuning, type FineTuningLimits } from "./routes/fineTuning.ts";
