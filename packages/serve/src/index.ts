export type { Caller } from "./caller.ts";
export type { AdapterFile, AdapterPlace, ManifestText } from "./adapters/adapterPlace.ts";
export type { AdapterHost, AdapterLease, AdapterSource, AdapterUser } from "./adapters/adapterSource.ts";
export { type AdapterStoreOptions, adapterStore } from "./adapters/adapterStore.ts";
export type { AdapterRules } from "./adapters/checkAdapter.ts";
export { folderPlace } from "./adapters/folderPlace.ts";
export type { S3PlaceOptions } from "./adapters/s3Bucket.ts";
export type { S3Credentials } from "./adapters/s3Client.ts";
export { s3Place } from "./adapters/s3Place.ts";
export { servingProblem } from "./adapters/servingProblem.ts";
export type { StoreClock } from "./adapters/storeClock.ts";
export {
  type EmbedOptions,
  type LoadOptions,
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
  type UnloadOptions,
} from "./api.ts";
export { createEmbeddingEngine } from "./embedding/createEmbeddingEngine.ts";
export type { EmbeddingEngineOptions } from "./embedding/embeddingOptions.ts";
export { createEngine } from "./engine/createEngine.ts";
export type { EngineOptions } from "./engine/engineOptions.ts";
