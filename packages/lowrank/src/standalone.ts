// `lowrank/standalone`: all of `lowrank` and `lowrank/worker`, packed as one file, for the Workers
// of pages without a bundler.
export * from "./index.ts";
export * from "./worker/index.ts";
