// `lowrank/standalone`: `lowrank` and `lowrank/worker` bundled in one file, for Workers of pages without a bundler.
export * from "./index.gen.ts";
export * from "./worker/index.ts";
