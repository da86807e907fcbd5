import { checkOptions } from "@lowrank/core";
import type { ServingEngine } from "../api.ts";
import { Engine } from "./engine.ts";
import { type EngineOptions, engineKeys } from "./engineOptions.ts";

/**
 * Makes an engine that serves requests over a model, many in one pass, each under its own adapter.
 * Throws for a backend that is not batch-invariant, and for sizes that do not go together.
 */
export async function createEngine(options: EngineOptions): Promise<ServingEngine> {
  checkOptions("createEngine", options, engineKeys);
  return new Engine(options);
}
