import { createHash } from "node:crypto";
import { basename, dirname } from "node:path";
import type { Tensor } from "@lowrank/core";
import { folderFiles, writeFolder } from "@lowrank/files";
import { architectures, type GgufDType, loadModel, readModelConfig, toGguf, writeGguf } from "@lowrank/models";
import type { Findings } from "./compare.ts";
import type { Python } from "./python.ts";

/**
 * Reads a GGUF file that gguf-py wrote, with all types. Every tensor must equal gguf-py's float32 values bit for bit.
 */
export async function ggufRead(python: Python, folder: string, path: string, seed: number): Promise<Findings> {
  const args = { folder, ...(await ggufLayout(folder)), seed, out: path };
  const hashes = await python.ask<Record<string, string>>("write_gguf", args);
  const config = await readModelConfig(await folderFiles(folder));
  const { sanitize } = architectures().find((one) => one.modelType === config.modelType)!;
  const expected = Object.fromEntries(
    Object.entries(hashes).map(([name, hash]) => [sanitize?.(name, config) ?? name, hash]),
  );
  const { model } = await loadModel(path);
  const tensors = new Map<string, Tensor>([...model.namedParameters(), ...model.namedBuffers()]);
  const problems: string[] = [];
  for (const [name, hash] of Object.entries(expected)) {
    const tensor = tensors.get(name);
    const found =
      tensor &&
      createHash("sha256")
        .update(await tensor.bytes())
        .digest("hex");
    if (found !== hash) problems.push(`${name} is ${found === undefined ? "missing" : "not what gguf-py reads"}`);
  }
  const more = [...tensors.keys()].filter((name) => !(name in expected));
  return { differences: new Map(), problems: [...problems, ...more.map((name) => `${name} is in no file of gguf-py`)] };
}

/** Writes a folder as a GGUF file. gguf-py must read the same bytes that it computes from the weights itself. */
export async function ggufWritten(python: Python, base: string, path: string, dtype: GgufDType): Promise<Findings> {
  const contents = await toGguf(await folderFiles(base), { dtype });
  await writeFolder(dirname(path), new Map([[basename(path), writeGguf(contents)]]));
  const problems = await python.ask<string[]>("check_gguf", {
    folder: base,
    file: path,
    dtype,
    ...(await ggufLayout(base)),
  });
  return { differences: new Map(), problems };
}

/**
 * Sizes under the names that transformers accepts for every architecture. Rows are whole blocks of every type, and
 * there are enough matrices for each type to occur in several places.
 */
const sizes = {
  ...{ vocab_size: 96, bos_token_id: 1, eos_token_id: 2, pad_token_id: 0, max_position_embeddings: 64 },
  ...{ hidden_size: 256, intermediate_size: 512, num_hidden_layers: 3 },
  ...{ num_attention_heads: 8, num_key_value_heads: 4 },
  ...{ full_attn_idxs: [1] },
  ...{ num_experts: 3, num_local_experts: 3, num_experts_per_tok: 2 },
  ...{ moe_intermediate_size: 256, shared_expert_intermediate_size: 512 },
  ...{ vocab_size_per_layer_input: 96 },
};

/** More models, named after the properties that the first model of their architecture lacks. */
const more: Readonly<Record<string, object>> = {
  "gemma4_text, wide, with shared keys": {
    ...{ model_type: "gemma4_text", ...sizes, num_hidden_layers: 4, num_kv_shared_layers: 2 },
    layer_types: ["sliding", "full", "sliding", "full"].map((type) => `${type}_attention`),
    use_double_wide_mlp: true,
  },
  "gemma4_text, wide, with experts": {
    ...{ model_type: "gemma4_text", ...sizes, hidden_size_per_layer_input: 0 },
    ...{ attention_k_eq_v: true, num_global_key_value_heads: 2, final_logit_softcapping: 2.5 },
    ...{ enable_moe_block: true, top_k_experts: 2 },
  },
};

/** Models of all architectures that GGUF supports, with tied or untied output layers. */
export const ggufModels: Readonly<Record<string, object>> = Object.fromEntries([
  ...(
    await Promise.all(
      architectures().map(async ({ modelType: model_type, gguf, heads }) => {
        const form = heads.causalLM && (await gguf?.());
        const ties = !form ? [] : form.alwaysTied ? [true] : form.neverTied ? [false] : [false, true];
        return ties.map((tied) => [
          `${model_type}, wide${tied ? ", tied" : ""}`,
          { model_type, ...sizes, tie_word_embeddings: tied },
        ]);
      }),
    )
  ).flat(),
  ...Object.entries(more),
]);

/** An architecture in llama.cpp. */
interface GgufLayout {
  architecture: string;
  /** The number of heads of tensors whose rows are stored in pairs. */
  heads: Record<string, number>;
  /** The number of heads of tensors that concatenate queries, keys and values. */
  joined: Record<string, number>;
  /** The amount added to all elements of a tensor. */
  plus: Record<string, number>;
  /** The tensors that are stored in f32. */
  wide: string[];
}

/** Returns the layout of the model in a folder. Throws for an architecture without GGUF support. */
async function ggufLayout(folder: string): Promise<GgufLayout> {
  const config = await readModelConfig(await folderFiles(folder));
  const form = await architectures()
    .find(({ modelType }) => modelType === config.modelType)
    ?.gguf?.();
  if (!form) throw new Error(`${folder}: ${config.modelType} has no form in GGUF`);
  const tensors = form.tensors(config);
  const numbers = (of: "heads" | "joined" | "plus") =>
    Object.fromEntries(tensors.flatMap((tensor) => (tensor[of] === undefined ? [] : [[tensor.hf, tensor[of]]])));
  const wide = tensors.filter(({ keepsF32 }) => keepsF32).map(({ hf }) => hf);
  const { architecture } = form;
  return { architecture, heads: numbers("heads"), joined: numbers("joined"), plus: numbers("plus"), wide };
}
