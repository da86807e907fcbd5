import { cp } from "node:fs/promises";
import { createModel, Generator, parseClassifierConfig, randomParameters, saveModel } from "../index.gen.ts";
import type { CommandFolder } from "./commandFolder.ts";

/** Writes a small random BERT with three labels and the tokenizer of the folder's model. */
export async function writeTinyBert({ at }: Pick<CommandFolder, "at">, name: string): Promise<void> {
  const config = parseClassifierConfig({
    ...{ model_type: "bert", vocab_size: 98, hidden_size: 16, intermediate_size: 32, num_hidden_layers: 2 },
    ...{ num_attention_heads: 2, max_position_embeddings: 64, num_labels: 3, hidden_dropout_prob: 0 },
    attention_probs_dropout_prob: 0,
  });
  const wide = randomParameters(new Generator(1));
  const model = createModel(config, (path, shape, init) => wide(path, shape, "std" in init ? { std: 0.3 } : init));
  await saveModel(model, config, at(name));
  for (const file of ["tokenizer.json", "tokenizer_config.json"]) await cp(at(`model/${file}`), at(`${name}/${file}`));
}
