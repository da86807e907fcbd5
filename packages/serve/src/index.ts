export { type AdapterStoreOptions, adapterStore } from "./adapters/adapterStore.ts";
export type { AdapterRules } from "./adapters/checkAdapter.ts";
export type { AdapterHost, AdapterLease, AdapterProvider, AdapterUser } from "./api/adapterProvider.ts";
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
} from "./api/api.ts";
export type { Caller } from "./api/caller.ts";
export { createEmbeddingEngine } from "./embedding/embeddingEngine.ts";
export type { EmbeddingEngineOptions } from "./embedding/embeddingOptions.ts";
export { createEngine } from "./engine/createEngine.ts";
export type { EngineOptions } from "./engine/engineOptions.ts";
export type { AdapterFile, AdapterPlace, ManifestText } from "./storage/adapterPlace.ts";
export { folderPlace } from "./storage/folderPlace.ts";
export type { ObjectStore, ServingStore, StoredObject } from "./storage/objects/objectStore.ts";
export type { S3PlaceOptions } from "./storage/s3Bucket.ts";
export type { S3Credentials } from "./storage/s3Client.ts";
export { s3Place } from "./storage/s3Place.ts";
export type { StoreClock } from "./storage/storeClock.ts";
