import type { SafetensorsFile } from "@lowrank/core";
import type { ClassifierConfig } from "./config/classifierConfig.ts";
import type { ModelConfig } from "./config/modelConfig.ts";

/** The weight of the output layer, in every language model. */
const head = "lm_head.weight";

/** What is compared of each at a time. */
const partBytes = 1 << 22;

/**
 * Throws where a checkpoint holds an output layer that is not the embedding, though its config ties the two: to leave it out, as
 * one that repeats the embedding, would give other answers.
 */
export async function checkTie(file: SafetensorsFile, config: ModelConfig | ClassifierConfig): Promise<void> {
  if (!("tieWordEmbeddings" in config) || !config.tieWordEmbeddings) return;
  const table = config.modelType === "gpt2" ? "transformer.wte.weight" : "model.embed_tokens.weight";
  if (!file.has(head) || !file.has(table) || (await same(file, head, table))) return;
  throw new Error(
    `${file.label}: ${head} is not ${table}, to which config.json ties it; set tie_word_embeddings to false there, or leave ${head} out`,
  );
}

async function same(file: SafetensorsFile, name: string, other: string): Promise<boolean> {
  const [a, b] = [name, other].map((one) => file.info(one));
  if (a.dtype !== b.dtype || a.shape.join() !== b.shape.join()) return false;
  const [left, right] = [name, other].map((one) => file.readParts(one, new Uint8Array(partBytes)).parts);
  const rest = right[Symbol.asyncIterator]();
  for await (const part of left) {
    const { value } = await rest.next();
    if (part.some((byte, i) => byte !== value?.[i])) return false;
  }
  return true;
}
