// `lowrank/worker`: the whole engine in a Worker, called from a page.
export { type ConnectOptions, connect, type EngineWorker } from "./connect.ts";
export type { StoragePlace } from "./place.ts";
export type { RemoteEngine, RemoteLoadOptions } from "./remoteEngine.ts";
export type {
  PlainConfig,
  RemoteEvaluateOptions,
  RemoteExample,
  RemoteGenerateOptions,
  RemoteModel,
  RemoteSaveOptions,
  RemoteTrainOptions,
} from "./remoteModel.ts";
export type { RemoteSource, RemoteStorage } from "./remoteSource.ts";
export { type StartBackend, serve } from "./serve.ts";
