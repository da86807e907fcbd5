import { createHash } from "node:crypto";
import { loadModel } from "@lowrank/models";
import type { Findings } from "./compare.ts";
import type { Python } from "./python.ts";

const sizes = { vocab_size: 96, bos_token_id: 1, eos_token_id: 2 };

/**
 * Rows are whole blocks of every type, and there are matrices enough for each type to
 * come up in several places.
 */
export const ggufConfigs: Readonly<Record<string, object>> = {
  llama: {
    model_type: "llama",
    ...sizes,
    hidden_size: 256,
    intermediate_size: 512,
    num_hidden_layers: 3,
    num_attention_heads: 8,
    num_key_value_heads: 4,
    rms_norm_eps: 1e-6,
    rope_parameters: { rope_type: "default", rope_theta: 50000 },
  },
  "llama-tied": {
    model_type: "llama",
    ...sizes,
    hidden_size: 256,
    intermediate_size: 256,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 4,
    tie_word_embeddings: true,
  },
  gpt2: { model_type: "gpt2", ...sizes, n_embd: 256, n_layer: 5, n_head: 4, n_positions: 64, n_inner: 512 },
};

/**
 * A GGUF file that gguf-py wrote, in all types at once: every tensor is the float32 that
 * gguf-py reads, to the bit.
 */
export async function ggufRead(python: Python, config: object, path: string, seed: number): Promise<Findings> {
  const expected = await python.ask<Record<string, string>>("write_gguf", { config, seed, out: path });
  const parameters = (await loadModel(path)).model.stateDict();
  const problems: string[] = [];
  for (const [name, hash] of Object.entries(expected)) {
    const parameter = parameters.get(name);
    const found =
      parameter &&
      createHash("sha256")
        .update(await parameter.bytes())
        .digest("hex");
    if (found !== hash) problems.push(`${name} is ${found === undefined ? "missing" : "not what gguf-py reads"}`);
  }
  const more = [...parameters.keys()].filter((name) => !(name in expected));
  return { differences: new Map(), problems: [...problems, ...more.map((name) => `${name} is in no file of gguf-py`)] };
}
