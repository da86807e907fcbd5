import { isPacked } from "@lowrank/core";
import type { Embedding, Linear, Module } from "@lowrank/nn";
import type { PeftConfig } from "../../config/peftConfig.ts";
import { inputEmbedding, outputLayer } from "../../targets/embeddings.ts";
import { filePrefix } from "./adapter.ts";
import type { Plan } from "./planAdapter.ts";

/**
 * Returns the adapted embeddings and output layers whose full weights PEFT saves in the adapter's file, by the weight's
 * file key.
 */
export function savedTables(model: Module, config: PeftConfig, layers: Plan["layers"]): Plan["tables"] {
  const ends: (Module | null | undefined)[] = [inputEmbedding(model)?.[1], outputLayer(model, config.taskType)];
  // Packed tables are skipped: they belong to the quantised base model.
  const found = layers.filter(({ base }) => ends.includes(base) && !isPacked((base as Linear).weight.dtype));
  return new Map(found.map(({ path, base }) => [`${filePrefix}${path}.base_layer.weight`, base as Embedding | Linear]));
}
