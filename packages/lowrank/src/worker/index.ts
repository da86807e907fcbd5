// `lowrank/worker`: the whole engine in a Worker, called from a page.
export { type ConnectOptions, connect, type EngineWorker } from "./connect.ts";
export type { RemoteEngine, RemoteLoadOptions } from "./remoteEngine.ts";
export type {
  PlainConfig,
  RemoteEvaluateOptions,
  RemoteExample,
  RemoteGenerateOptions,
  RemoteModel,
  RemoteTrainOptions,
} from "./remoteModel.ts";
export type { RemoteSource } from "./remoteSource.ts";
export { serve } from "./serve.ts";
