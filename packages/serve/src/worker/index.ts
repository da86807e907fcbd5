// `@lowrank/serve/worker`: the engine in a Worker, so that the thread of a server is always free.
export { connectEngine, type ServingWorker } from "./connectEngine.ts";
export { serveEngine } from "./serveEngine.ts";
