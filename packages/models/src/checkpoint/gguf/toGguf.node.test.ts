import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { bytesSource, Generator, init, openSafetensors, reference, writeSafetensors } from "@lowrank/core";
import { folderFiles, type ModelFiles, memoryFiles } from "@lowrank/files";
import { goldenFolder, sharedPath } from "@lowrank/test-support/folders";
import { beforeAll, describe, expect, test } from "vitest";
import { ggufBytes } from "../../gguf/testing/ggufBytes.ts";
import { randomParameters } from "../../model/parameters.ts";
import { createModel } from "../../registry/build/createModel.ts";
import { parseModelConfig, toHfConfig } from "../../registry/configs/modelConfig.ts";
import { readModelConfig } from "../../registry/configs/readModelConfig.ts";
import { Tokenizer } from "../../tokenizer/tokenizer.ts";
import { loadModel } from "../loadModel.ts";
import { modelFileContents } from "../saveModel.ts";
import { fromGguf } from "./fromGguf.ts";
import { openGguf } from "./openGguf.ts";
import { type GgufDType, toGguf } from "./toGguf.ts";

const stories = sharedPath("models/stories260K-hf", "stories260K through GGUF");
const golden = (name: string) => join(goldenFolder, "models", name);

beforeAll(() => init(reference()));

const open = async (files: ModelFiles, dtype: GgufDType) => {
  const { notes, ...contents } = await toGguf(files, { dtype, name: "a model" });
  return { notes, file: await openGguf(bytesSource(await ggufBytes(contents)), "model.gguf") };
};

/** Converts `files` to GGUF and back to a folder. */
async function throughGguf(files: ModelFiles, dtype: GgufDType = "f32"): Promise<ModelFiles> {
  const contents = new Map<string, string | Uint8Array>();
  for (const [name, content] of await fromGguf((await open(files, dtype)).file)) {
    if (typeof content === "string") {
      contents.set(name, content);
      continue;
    }
    const pieces: Uint8Array<ArrayBuffer>[] = [];
    for await (const piece of content) pieces.push(piece.slice());
    contents.set(name, new Uint8Array(await new Blob(pieces).arrayBuffer()));
  }
  return memoryFiles(contents);
}

async function tensorsOf(files: ModelFiles): Promise<Map<string, { shape: number[]; bytes: Uint8Array }>> {
  const weights = await openSafetensors(await files.open("model.safetensors"));
  const tensors = new Map();
  for (const name of weights.names()) {
    const { shape, bytes } = await weights.read(name);
    tensors.set(name, { shape, bytes: Uint8Array.from(bytes) });
  }
  return tensors;
}

/**
 * Returns the part of a config that inference uses: without training-only fields and token ids of a missing tokenizer.
 */
async function meaningOf(files: ModelFiles): Promise<Record<string, unknown>> {
  const { attnPdrop, embdPdrop, residPdrop, bosTokenId, eosTokenIds, padTokenId, ...meaning } = (await readModelConfig(
    files,
  )) as unknown as Record<string, unknown>;
  return meaning;
}

const small = {
  ...{ vocab_size: 40, hidden_size: 32, intermediate_size: 48, num_hidden_layers: 2, num_attention_heads: 4 },
  ...{ max_position_embeddings: 64, bos_token_id: 1, eos_token_id: 2, rms_norm_eps: 1e-5 },
};
const moeSizes = { moe_intermediate_size: 24, shared_expert_intermediate_size: 16 };
const longRope = {
  original_max_position_embeddings: 32,
  partial_rotary_factor: 0.75,
  rope_scaling: { type: "longrope", short_factor: [1, 1.25, 2.5], long_factor: [1.5, 3, 4.75] },
};

/** Layers of both types, the last two of which share keys, with heads of two sizes. */
const gemma4 = {
  ...{ num_hidden_layers: 4, num_key_value_heads: 2, head_dim: 8, global_head_dim: 16, sliding_window: 3 },
  layer_types: ["sliding_attention", "full_attention", "sliding_attention", "full_attention"],
  ...{ vocab_size_per_layer_input: 40, hidden_size_per_layer_input: 0, pad_token_id: 0 },
  tie_word_embeddings: false,
};
const shares = { num_kv_shared_layers: 2, use_double_wide_mlp: true, hidden_size_per_layer_input: 6 };
const manyExperts = { enable_moe_block: true, num_experts: 3, top_k_experts: 2, moe_intermediate_size: 24 };

/** Returns a folder in memory with a random model. */
async function randomFolder(json: { model_type: string }): Promise<ModelFiles> {
  const state = createModel(parseModelConfig(json), randomParameters(new Generator(5))).stateDict();
  const tensors = Array.from(state, async ([name, t]) => {
    return { name, dtype: "f32", shape: t.shape, bytes: await t.bytes() } as const;
  });
  const weights = writeSafetensors(await Promise.all(tensors));
  return memoryFiles({ "config.json": JSON.stringify(json), "model.safetensors": weights }, "random");
}

describe("a folder, as F32 GGUF, as a folder", () => {
  test.each(["llama", "llama-tied", "gpt2", "gpt_neox", "mixtral"])(
    "%s: every tensor to the bit, and what the config means",
    async (name) => {
      const files = await folderFiles(golden(name));
      const back = await throughGguf(files);
      expect(await tensorsOf(back)).toEqual(await tensorsOf(files));
      expect(await meaningOf(back)).toEqual(await meaningOf(files));
      expect(await back.has("tokenizer.json")).toBe(false);
    },
  );

  test.each([
    ["stablelm", { num_key_value_heads: 4, use_qkv_bias: true }],
    ["stablelm", { num_key_value_heads: 2, qk_layernorm: true, use_parallel_residual: true }],
    ["qwen2_moe", { num_key_value_heads: 2, num_experts: 3, num_experts_per_tok: 2, ...moeSizes }],
    ["phi3", { num_key_value_heads: 2, pad_token_id: 0, ...longRope }],
    ["gemma4_text", { ...gemma4, ...shares, final_logit_softcapping: 30 }],
    ["gemma4_text", { ...gemma4, ...manyExperts, attention_k_eq_v: true, num_global_key_value_heads: 1 }],
  ])("a random %s with %j: every tensor to the bit, and what the config means", async (model_type, settings) => {
    const files = await randomFolder({ model_type, ...small, ...settings });
    const back = await throughGguf(files);
    expect(await tensorsOf(back)).toEqual(await tensorsOf(files));
    expect(await meaningOf(back)).toEqual(await meaningOf(files));
  });

  test.skipIf(!stories)("stories260K: tensors, config and tokens", async () => {
    const files = await folderFiles(stories!);
    const back = await throughGguf(files);
    expect(await tensorsOf(back)).toEqual(await tensorsOf(files));
    expect(toHfConfig(await readModelConfig(back))).toEqual(toHfConfig(await readModelConfig(files)));
    const [ours, theirs] = [await Tokenizer.fromFiles(files), await Tokenizer.fromFiles(back)];
    const license = await readFile(join(stories!, "LICENSE"), "utf8");
    for (const text of ["Once upon a time", " é 漢字 😀\n\n a  b</s>", license]) {
      expect(theirs.encode(text)).toEqual(ours.encode(text));
    }
    expect([theirs.bosTokenId, theirs.eosTokenId, theirs.padTokenId]).toEqual([1, 2, null]);
  });
});

/**
 * Returns a folder in memory with a tiny Llama with weights `value(i)`, after changes to its config and other files.
 */
async function llamaFiles(change: object = {}, more: Record<string, string> = {}): Promise<ModelFiles> {
  const files = await folderFiles(golden("llama"));
  const json = { ...JSON.parse(await files.readText("config.json")), ...change };
  const weights = new Uint8Array(await readFile(join(golden("llama"), "model.safetensors")));
  return memoryFiles({ "config.json": JSON.stringify(json), "model.safetensors": weights, ...more }, "folder x");
}

/** A byte-level BPE with a few letters. */
const byteTokenizer = {
  "tokenizer.json": JSON.stringify({
    added_tokens: ["<u>", "<s>", "</s>"].map((content, id) => ({ id, content, special: true })),
    normalizer: null,
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false },
    post_processor: null,
    decoder: { type: "ByteLevel" },
    model: {
      type: "BPE",
      vocab: { "<u>": 0, "<s>": 1, "</s>": 2, a: 3, b: 4, c: 5, ab: 6 },
      merges: ["a b"],
    },
  }),
  "tokenizer_config.json": JSON.stringify({ bos_token: "<s>", chat_template: "{{ messages }}" }),
};

describe("what is written", () => {
  test("matrices take the dtype; vectors stay f32", async () => {
    for (const dtype of ["f16", "bf16", "q8_0"] as const) {
      const { file, notes } = await open(await folderFiles(golden("llama")), dtype);
      for (const { info } of file.tensors.values()) {
        expect(info.type.name).toBe(info.shape.length === 1 ? "F32" : dtype.toUpperCase());
      }
      expect(notes).toEqual([`folder ${golden("llama")} has no tokenizer.json, so the file holds no tokenizer`]);
    }
  });

  test("with q4_1 the output layer is q8_0, be it tied or not", async () => {
    for (const [name, head] of [
      ["llama", "lm_head.weight"],
      ["llama-tied", "model.embed_tokens.weight"],
    ]) {
      const { file } = await open(await folderFiles(golden(name)), "q4_1");
      for (const [tensor, { info }] of file.tensors) {
        const matrix = tensor === head ? "Q8_0" : "Q4_1";
        expect(info.type.name).toBe(info.shape.length === 1 ? "F32" : matrix);
      }
    }
  });

  test("GPT-2's position embedding stays f32", async () => {
    const { file } = await open(await folderFiles(golden("gpt2")), "f16");
    expect(file.tensors.get("transformer.wpe.weight")!.info.type.name).toBe("F32");
    expect(file.tensors.get("transformer.h.0.mlp.c_fc.weight")!.info).toMatchObject({ type: { name: "F16" } });
  });

  test.skipIf(!stories)("rows that are no whole blocks become f16, and are named", async () => {
    const { file, notes } = await open(await folderFiles(stories!), "q8_0");
    const reason = "f16 instead of q8_0, since rows are no whole blocks of 32";
    expect(notes).toEqual([`${reason}: 5 of blk.*.ffn_down.weight [64,172]`]);
    expect(file.tensors.get("model.layers.0.mlp.down_proj.weight")!.info.type.name).toBe("F16");
  });

  test.each([
    ["q4_k", "Q5_0"],
    ["q5_k", "Q5_1"],
    ["q6_k", "Q8_0"],
  ] as const)("rows that are no whole blocks of %s become %s, and are named", async (dtype, other) => {
    const { file, notes } = await open(await folderFiles(golden("llama")), dtype);
    const matrices = [...file.tensors.values()].filter(({ info }) => info.shape.length === 2);
    const head = file.tensors.get("lm_head.weight")!;
    for (const tensor of matrices) expect(tensor.info.type.name).toBe(tensor === head ? "Q8_0" : other);
    const [, ...types] = notes;
    const reason = (to: string, from: string) => `${to} instead of ${from}, since rows are no whole blocks of 256: `;
    const wanted = [reason(other.toLowerCase(), dtype), ...(dtype === "q6_k" ? [] : [reason("q8_0", "q6_k")])];
    expect(types.map((note) => wanted.findIndex((start) => note.startsWith(start))).sort()).toEqual([...wanted.keys()]);
    expect(types.join()).toMatch(/ \d+ of blk\.\*\.attn_q\.weight \[/);
  });

  test("metadata under llama.cpp's keys", async () => {
    const { file } = await open(await llamaFiles({ rope_scaling: { rope_type: "linear", factor: 2 } }), "bf16");
    const values = Object.fromEntries(Array.from(file.header.metadata, ([key, { value }]) => [key, value]));
    expect(values).toMatchObject({
      "general.architecture": "llama",
      "general.name": "a model",
      "general.file_type": 32,
      "general.quantization_version": 2,
      "llama.rope.scaling.type": "linear",
      "llama.rope.scaling.factor": 2,
      "tokenizer.ggml.model": "none",
    });
    expect(file.config).toMatchObject({ rope: { scaling: { type: "linear", factor: 2 } } });
  });

  test("longrope without its factor of the attention has the factor 1", async () => {
    const config = { model_type: "phi3", ...small, num_key_value_heads: 2, pad_token_id: 0, ...longRope };
    const files = await randomFolder(config);
    const { notes: _, ...contents } = await toGguf(files, { dtype: "f32", name: "a model" });
    const text = Buffer.from(await ggufBytes(contents));
    const at = text.indexOf("rope.scaling.attn_factor");
    expect(at).toBeGreaterThan(0);
    text.write("x", at);
    const read = await openGguf(bytesSource(new Uint8Array(text)), "model.gguf");
    expect(read.config).toMatchObject({ rope: { scaling: { type: "longrope", attentionFactor: 1 } } });
  });

  test("Llama 3's scaling as factors of the frequencies", async () => {
    const scaling = {
      rope_type: "llama3",
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 8192,
    };
    const files = await llamaFiles({ rope_scaling: scaling, rope_theta: 500000 });
    const back = await throughGguf(files);
    expect(toHfConfig(await readModelConfig(back)).rope_scaling).toEqual(scaling);
  });

  test("the end-of-text ids that one key cannot hold are named", async () => {
    const files = await llamaFiles({ eos_token_id: [3, 5] }, byteTokenizer);
    const { notes, file } = await open(files, "f32");
    expect(notes).toEqual(["GGUF has one end-of-text id, 3; not kept: 5"]);
    expect(file.config.eosTokenIds).toEqual([3]);
  });

  test("weights in half precision are widened, and the file's type is of the matrices", async () => {
    const config = parseModelConfig({ model_type: "llama", ...small });
    const model = createModel(config, randomParameters(new Generator(5)));
    for (const dtype of ["f16", "bf16"] as const) {
      const files = memoryFiles(await modelFileContents(model, config, { dtype }));
      expect(await tensorsOf(await throughGguf(files))).toEqual(
        await tensorsOf(memoryFiles(await modelFileContents((await loadModel(files)).model, config))),
      );
    }
    const files = memoryFiles(await modelFileContents(model, config));
    for (const [dtype, type] of Object.entries({ f32: 0, f16: 1, q4_0: 2, q8_0: 7, bf16: 32 })) {
      const { metadata } = await toGguf(files, { dtype: dtype as GgufDType });
      expect(metadata.get("general.file_type")).toEqual({ type: "u32", value: type });
    }
  });

  test("a path or an address that ends in .gguf is such a file, and a folder is none", async () => {
    const config = parseModelConfig({ model_type: "llama", ...small });
    const model = createModel(config, randomParameters(new Generator(5)));
    const files = memoryFiles(await modelFileContents(model, config));
    const { notes: _, ...contents } = await toGguf(files, { dtype: "f32" });
    const path = join(await mkdtemp(join(tmpdir(), "gguf-")), "a.GGUF");
    await writeFile(path, await ggufBytes(contents));
    for (const source of [path, pathToFileURL(path)]) {
      expect((await loadModel(source)).config).toMatchObject({ modelType: "llama", vocabSize: 40 });
    }
    await rm(dirname(path), { recursive: true });
  });

  test("tokenizer and chat template go along", async () => {
    const files = await throughGguf(await llamaFiles({ eos_token_id: 2 }, byteTokenizer));
    expect(await files.readText("tokenizer_config.json")).toMatch(/^{\n {2}"/);
    const back = await Tokenizer.fromFiles(await throughGguf(await llamaFiles({ eos_token_id: 2 }, byteTokenizer)));
    expect(back).toMatchObject({ chatTemplate: "{{ messages }}", bosTokenId: 1, eosTokenId: 2 });
    expect(back.encode("cabba", { addSpecialTokens: false })).toEqual([5, 6, 4, 3]);
  });
});

describe("refuses", () => {
  test.each([
    [{ hidden_act: "gelu" }, 'config.json: hidden_act is "gelu"; a GGUF file can only mean silu'],
    [{ num_hidden_layers: 1 }, "tensors are not part of the llama model that config.json describes"],
    [{ num_hidden_layers: 3 }, '"model.layers.2.input_layernorm.weight" is missing'],
    [{ intermediate_size: 8 }, "config.json requires [8,"],
  ])("%j", async (change, message) => {
    await expect(toGguf(await llamaFiles(change))).rejects.toThrow(message);
  });

  test("one tensor too many", async () => {
    const files = await llamaFiles();
    const weights = await openSafetensors(await files.open("model.safetensors"));
    const { shape, bytes } = await weights.read("model.norm.weight");
    const all = await Promise.all(weights.names().map(async (name) => ({ name, ...(await weights.read(name)) })));
    const more = writeSafetensors([...all, { name: "extra", dtype: "f32", shape, bytes }]);
    const contents = { "config.json": await files.readText("config.json"), "model.safetensors": more };
    await expect(toGguf(memoryFiles(contents))).rejects.toThrow(
      ": 1 tensors are not part of the llama model that config.json describes: extra",
    );
  });

  test("weights in 4 bits already", async () => {
    const files = await folderFiles(join(goldenFolder, "nf4/qlora"));
    await expect(toGguf(files)).rejects.toThrow("has 4-bit weights of bitsandbytes, which cannot be converted");
  });

  test("a GPT-2 that GGUF cannot express", async () => {
    const gpt2 = await folderFiles(golden("gpt2"));
    const config = JSON.parse(await gpt2.readText("config.json"));
    for (const [change, message] of [
      [{ activation_function: "relu" }, "activation_function"],
      [{ scale_attn_weights: false }, "scale_attn_weights is false; a GGUF file can only mean true"],
      [{ scale_attn_by_inverse_layer_idx: true }, "scale_attn_by_inverse_layer_idx is true"],
    ] as const) {
      const files = { ...gpt2, readText: async () => JSON.stringify({ ...config, ...change }) };
      await expect(toGguf(files)).rejects.toThrow(message);
    }
  });
});
