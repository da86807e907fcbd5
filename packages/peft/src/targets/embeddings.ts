import type { Embedding, Module } from "@lowrank/nn";
import type { PeftConfig } from "../config/peftConfig.ts";
import { pythonRegex } from "./pythonRegex.ts";

/** Returns a model's first embedding, which embeds the token ids, and its path. Null if the model has no embedding. */
export function inputEmbedding(model: Module): [path: string, module: Embedding] | null {
  for (const [path, module] of model.namedModules()) {
    if (module.layerKind === "embedding") return [path, module as Embedding];
  }
  return null;
}

/** Returns the layer that computes the logits: a model's `lm_head`, or the classifier for sequence classification. */
export function outputLayer(model: Module, taskType: string | null): Module | null {
  const { lm_head: head, score, classifier } = model as { lm_head?: Module; score?: Module; classifier?: Module };
  if (head) return head;
  return taskType === "SEQ_CLS" ? (score ?? classifier ?? null) : null;
}

/** Names of embeddings and output layers whose weights PEFT saves in the adapter file if they are targeted. */
export const tableNames: readonly string[] = ["embed_tokens", "lm_head"];

/**
 * Returns true if an adapter's files contain the full weights of the embeddings and output layers that it targets, by
 * PEFT's rule. A name of `tied` does not count, since PEFT replaces it by the embedding.
 */
export function savesTables(
  { targetModules }: PeftConfig,
  paths: readonly string[],
  tied: readonly string[] = [],
): boolean {
  if (typeof targetModules !== "string") {
    return tableNames.some((name) => targetModules?.includes(name) && !tied.includes(name));
  }
  const regex = pythonRegex(targetModules, "fullmatch");
  return paths.some((path) => regex.test(path) && tableNames.includes(path.split(".").pop()!));
}
