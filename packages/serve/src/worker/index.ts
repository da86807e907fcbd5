// `@lowrank/serve/worker`: the engine in a Worker, so that it does not block the server's thread.
export { connectEngine, type ServingWorker } from "./connectEngine.ts";
export { serveEngine } from "./serveEngine.ts";
