import { folderFiles } from "@lowrank/files";
import { architectures, readModelConfig } from "@lowrank/models";

/**
 * In the names that transformers takes for every architecture. Rows are whole blocks of every type,
 * and there are matrices enough for each type to come up in several places.
 */
const sizes = {
  ...{ vocab_size: 96, bos_token_id: 1, eos_token_id: 2, pad_token_id: 0, max_position_embeddings: 64 },
  ...{ hidden_size: 256, intermediate_size: 512, num_hidden_layers: 3 },
  ...{ num_attention_heads: 8, num_key_value_heads: 4 },
};

/** Models of all architectures with a form in GGUF, with an output layer of their own or none. */
export const ggufModels: Readonly<Record<string, object>> = Object.fromEntries(
  architectures()
    .filter(({ gguf, heads }) => gguf && heads.causalLM)
    .flatMap(({ modelType: model_type }) =>
      [false, true].map((tied) => [
        `${model_type}, wide${tied ? ", tied" : ""}`,
        { model_type, ...sizes, tie_word_embeddings: tied },
      ]),
    ),
);

/** The name of an architecture in llama.cpp, and the heads of tensors with their rows in pairs. */
export interface GgufLayout {
  architecture: string;
  heads: Record<string, number>;
}

/** Asks the architecture of the model in a folder. Throws for one without a form in GGUF. */
export async function ggufLayout(folder: string): Promise<GgufLayout> {
  const config = await readModelConfig(await folderFiles(folder));
  const form = await architectures()
    .find(({ modelType }) => modelType === config.modelType)
    ?.gguf?.();
  if (!form) throw new Error(`${folder}: ${config.modelType} has no form in GGUF`);
  const tensors = form.tensors(config);
  const heads = tensors.flatMap(({ hf, heads }): [string, number][] => (heads === undefined ? [] : [[hf, heads]]));
  return { architecture: form.architecture, heads: Object.fromEntries(heads) };
}
