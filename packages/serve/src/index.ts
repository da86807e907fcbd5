export type { AdapterHost, AdapterLease, AdapterSource } from "./adapters/adapterSource.ts";
export {
  type SamplingSettings,
  type ServedAdapter,
  type ServingEngine,
  ServingError,
  type ServingErrorCode,
  type ServingEvent,
  type ServingModel,
  type ServingPrompt,
  type ServingRequest,
  type ServingStats,
  type TokenLogprob,
} from "./api.ts";
