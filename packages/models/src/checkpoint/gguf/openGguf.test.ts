import { type ByteSource, bytesSource, Generator, init, type Progress, reference, scope, tensor } from "@lowrank/core";
import { memoryFiles } from "@lowrank/files";
import { beforeAll, describe, expect, test } from "vitest";
import { inFileOrder, transpose } from "../../gguf/headRows.ts";
import { ggufBytes } from "../../gguf/testing/ggufBytes.ts";
import { encodeBlocks, encodings, type GgufEncoding } from "../../gguf/types/ggmlTypes.ts";
import type { GgufContents, GgufTensor, GgufValue } from "../../gguf/writeGguf.ts";
import { randomParameters } from "../../model/parameters.ts";
import { createModel } from "../../registry/build/createModel.ts";
import { parseModelConfig } from "../../registry/configs/modelConfig.ts";
import { type LoadModelOptions, loadModel } from "../loadModel.ts";
import { ggufWeights } from "./ggufWeights.ts";
import { openGguf } from "./openGguf.ts";
import { readGgufTensor } from "./readGgufTensor.ts";
import { tensorLayouts } from "./tensorLayout.ts";

const sizes = { vocab_size: 40, hidden_size: 64, intermediate_size: 96, num_hidden_layers: 2, num_attention_heads: 4 };
const llama = {
  model_type: "llama",
  ...sizes,
  num_key_value_heads: 2,
  max_position_embeddings: 16,
  rms_norm_eps: 1e-5,
};
const gpt2 = { model_type: "gpt2", vocab_size: 40, n_positions: 16, n_embd: 32, n_layer: 2, n_head: 2, n_inner: 64 };
const u32 = (value: number): GgufValue => ({ type: "u32", value });

/** Sizes with which rows are whole blocks of 256. */
const wideSizes = {
  llama: { hidden_size: 256, intermediate_size: 256, num_hidden_layers: 1 },
  gpt2: { n_embd: 256, n_inner: 256, n_layer: 1 },
};

const metadata: Record<string, Record<string, GgufValue>> = {
  llama: {
    "general.architecture": { type: "string", value: "llama" },
    "llama.block_count": u32(2),
    "llama.context_length": u32(16),
    "llama.embedding_length": u32(64),
    "llama.feed_forward_length": u32(96),
    "llama.attention.head_count": u32(4),
    "llama.attention.head_count_kv": u32(2),
    "llama.attention.layer_norm_rms_epsilon": { type: "f32", value: 1e-5 },
  },
  gpt2: {
    "general.architecture": { type: "string", value: "gpt2" },
    "gpt2.block_count": u32(2),
    "gpt2.context_length": u32(16),
    "gpt2.embedding_length": u32(32),
    "gpt2.feed_forward_length": u32(64),
    "gpt2.attention.head_count": u32(2),
    "gpt2.attention.layer_norm_epsilon": { type: "f32", value: 1e-5 },
  },
};

beforeAll(async () => {
  await init(reference());
});

const isWide = (type: GgufEncoding) => encodings[type].block.elements === 256;

/** Returns blocks of a type. K-blocks are slow to compute, so a few are repeated. */
function blocksOf(type: GgufEncoding, values: Float32Array, what: string): Uint8Array {
  if (!isWide(type)) return encodeBlocks(type, values, what);
  const some = encodeBlocks(type, values.subarray(0, 11 * 256), what);
  const { bytes } = encodings[type].block;
  return Uint8Array.from({ length: (values.length / 256) * bytes }, (_, i) => some[i % some.length]);
}

/** The types that can stay packed. */
const packedTypes = Object.values(encodings).flatMap(({ name, packed }) => (packed ? [name as GgufEncoding] : []));
const narrowTypes = packedTypes.filter((type) => !isWide(type));

const made = new Map<string, ReturnType<typeof makeModelAndFile>>();

/** Makes each model and file once, since no test changes them. */
function modelAndFile(json: { model_type: string }, type: GgufEncoding): ReturnType<typeof makeModelAndFile> {
  const key = JSON.stringify([json, type]);
  const found = made.get(key) ?? makeModelAndFile(json, type);
  made.set(key, found);
  return found;
}

/** Makes a random model, and a GGUF file of it with matrices of the given type. */
async function makeModelAndFile(narrow: { model_type: string }, type: GgufEncoding) {
  const json = { ...narrow, ...(isWide(type) ? wideSizes[narrow.model_type as "llama"] : {}) };
  const config = parseModelConfig(json);
  const model = createModel(config, randomParameters(new Generator(3))).eval();
  const state = new Map(model.stateDict());
  const tensors = await Promise.all(
    (await tensorLayouts(config)).map(async (layout): Promise<GgufTensor> => {
      const { hf, gguf, shape, transposed } = layout;
      const values = (await state.get(hf)!.data()) as Float32Array;
      const turned = transposed ? transpose(values, shape[0], shape[1]) : values;
      const own = shape.length === 1 ? "F32" : type;
      const blocks = blocksOf(own, turned, hf);
      const bytes = inFileOrder(blocks, shape[0], layout);
      return { name: gguf, type: own, shape: transposed ? shape.toReversed() : shape, read: async () => bytes };
    }),
  );
  const keys = new Map(Object.entries(metadata[json.model_type]));
  if (isWide(type)) {
    for (const [key, value] of Object.entries({ block_count: 1, embedding_length: 256, feed_forward_length: 256 })) {
      keys.set(`${json.model_type}.${key}`, u32(value));
    }
  }
  const contents: GgufContents = { metadata: keys, tensors };
  return { model, contents, bytes: await ggufBytes(contents) };
}

const load = (bytes: Uint8Array<ArrayBuffer>, options?: LoadModelOptions) =>
  loadModel(new File([bytes], "tiny.gguf"), options);

async function logits(model: Awaited<ReturnType<typeof load>>["model"]) {
  const inputIds = tensor([[1, 5, 7, 30, 2]], { dtype: "i32" });
  return scope(() => model.forward({ inputIds }).logits).data();
}

/** Checks that blocks loaded packed are unchanged and have the same values as widened ones. */
async function expectPacked(json: { model_type: string }, type: GgufEncoding): Promise<void> {
  const { bytes } = await modelAndFile(json, type);
  const plain = (await load(bytes)).model;
  const [wide, expected] = [plain.stateDict(), await logits(plain)];
  const packed = await load(bytes, { weights: "packed" });
  for (const [name, parameter] of packed.model.stateDict()) {
    const kept = parameter.shape.length === 2;
    expect([name, parameter.dtype]).toEqual([name, kept ? type.toLowerCase() : "f32"]);
    const turned = /\.(c_attn|c_proj|c_fc)\.weight/.test(name);
    const full = parameter.to("f32");
    expect(await (turned ? full.transpose(0, 1) : full).bytes()).toEqual(await wide.get(name)!.bytes());
  }
  const off = (await logits(packed.model)).map((x, i) => Math.abs(x - expected[i]));
  expect(Math.max(...off)).toBeLessThan(1e-5);
}

/** Checks that linear layers are quantised as from a wide model, and that other weights keep their blocks. */
async function expectBesideQuantized(json: { model_type: string }, type: GgufEncoding): Promise<void> {
  const { bytes } = await modelAndFile(json, type);
  const wide = await load(bytes, { quantize: {} });
  const packed = await load(bytes, { quantize: {}, weights: "packed" });
  expect(packed.quantization).toEqual(wide.quantization);
  const dtypes = new Set<string>();
  for (const [name, parameter] of packed.model.stateDict()) {
    dtypes.add(parameter.dtype);
    const other = wide.model.stateDict().get(name)!;
    expect([name, other.dtype]).toEqual([name, parameter.dtype === "nf4" ? "nf4" : "f32"]);
    if (parameter.dtype === "nf4") expect(await parameter.bytes()).toEqual(await other.bytes());
    else expect(await parameter.to("f32").bytes()).toEqual(await other.bytes());
  }
  expect(dtypes).toEqual(new Set(["nf4", type.toLowerCase(), "f32"]));
}

test.each([
  ["llama", "Q4_K", { ...llama, tie_word_embeddings: true }],
  ["llama", "Q6_K", { ...llama, tie_word_embeddings: true }],
  ["gpt2", "Q5_K", gpt2],
] as const)("%s in %s packed: the blocks stay, alone and beside quantised layers", async (_, type, json) => {
  await expectPacked(json, type);
  await expectBesideQuantized(json, type);
});

describe.each([
  ["llama, tied", { ...llama, tie_word_embeddings: true }],
  ["llama, with biases and an output layer", { ...llama, attention_bias: true, mlp_bias: true }],
  ["gpt2, tied", gpt2],
  ["gpt2, with an output layer", { ...gpt2, tie_word_embeddings: false }],
])("%s", (_, json) => {
  test("F32: the model that was written, bit for bit", async () => {
    const { model, bytes } = await modelAndFile(json, "F32");
    const progress: Progress[] = [];
    const loaded = await load(bytes, { onProgress: (report) => progress.push(report) });
    expect(await logits(loaded.model)).toEqual(await logits(model));
    expect(loaded.tokenizer).toBeUndefined();
    expect(loaded.config).toMatchObject({ modelType: json.model_type });
    expect(progress.length).toBe([...loaded.model.parameters()].length);
    expect(progress.at(-1)!.loaded).toBe(progress.at(-1)!.total);
  });

  test.each(["F16", "BF16"] as const)("%s: kept by dtype auto, widened by default", async (type) => {
    const { bytes } = await modelAndFile(json, type);
    const wide = await load(bytes);
    const own = await load(bytes, { dtype: "auto" });
    const dtypes = new Set(Array.from(own.model.stateDict().values(), ({ dtype }) => dtype));
    expect(dtypes).toEqual(new Set([type.toLowerCase(), "f32"]));
    for (const [name, parameter] of own.model.stateDict()) {
      expect(await parameter.data()).toEqual(await wide.model.stateDict().get(name)!.data());
    }
  });

  test.each(["f16", "bf16"] as const)("%s by name: what core rounds to", async (dtype) => {
    const { bytes } = await modelAndFile(json, "Q8_0");
    const wide = (await load(bytes)).model.stateDict();
    for (const [name, parameter] of (await load(bytes, { dtype })).model.stateDict()) {
      expect(parameter.dtype).toBe(dtype);
      expect(await parameter.bytes()).toEqual(await wide.get(name)!.to(dtype).bytes());
    }
  });

  test.each(narrowTypes)("%s packed: the blocks stay, and mean the same", (type) => expectPacked(json, type));

  test("tensors that are read at the same time keep apart", async () => {
    const { bytes } = await modelAndFile(json, "Q8_0");
    const source: ByteSource = {
      ...bytesSource(bytes),
      readInto: async (offset, room) => {
        room.set(bytes.subarray(offset, offset + room.length));
        await new Promise((resolve) => setTimeout(resolve, 1));
      },
    };
    const file = await openGguf(source, "x.gguf");
    const weights = ggufWeights(file, {});
    const names = weights.names();
    const together = await Promise.all(names.map((name) => weights.read(name)));
    for (const [i, name] of names.entries()) {
      expect(await together[i].bytes(), name).toEqual(await (await readGgufTensor(file, name)).bytes());
      expect(await together[i].bytes(), name).toEqual(await (await weights.read(name)).bytes());
    }
  });

  test.each(narrowTypes)("%s packed beside quantised layers: the same numbers in both", (type) =>
    expectBesideQuantized(json, type),
  );
});

describe("errors", () => {
  const tied = { ...llama, tie_word_embeddings: true };
  const open = async (contents: GgufContents) => openGguf(bytesSource(await ggufBytes(contents)), "x.gguf");

  test("a tensor that is missing, unexpected or of another shape", async () => {
    const { contents } = await modelAndFile(tied, "F32");
    const without = contents.tensors.filter(({ name }) => name !== "blk.1.ffn_up.weight");
    await expect(open({ ...contents, tensors: without })).rejects.toThrow(
      'x.gguf: the tensor "blk.1.ffn_up.weight" is missing',
    );
    const more = { ...contents.tensors[0], name: "blk.0.attn_q_norm.weight" };
    await expect(open({ ...contents, tensors: [...contents.tensors, more] })).rejects.toThrow(
      "x.gguf: 1 tensors are not part of the llama model that its metadata describe: blk.0.attn_q_norm.weight",
    );
    const other = new Map(contents.metadata).set("llama.feed_forward_length", u32(64));
    await expect(open({ ...contents, metadata: other })).rejects.toThrow(
      'x.gguf: "blk.0.ffn_gate.weight" is [96,64]; its metadata require [64,64]',
    );
  });

  test("more layers than tensors", async () => {
    const { contents } = await modelAndFile(tied, "F32");
    const count = contents.tensors.length;
    const withLayers = (layers: number) =>
      open({ ...contents, metadata: new Map(contents.metadata).set("llama.block_count", u32(layers)) });
    await expect(withLayers(count + 1)).rejects.toThrow(
      `x.gguf: llama.block_count is ${count + 1}, but the file has only ${count} tensors`,
    );
    await expect(withLayers(count)).rejects.toThrow('x.gguf: the tensor "blk.2.attn_norm.weight" is missing');
  });

  test("one file of a model that was split", async () => {
    const { contents } = await modelAndFile(tied, "F32");
    const split = new Map(contents.metadata).set("split.no", u32(1)).set("split.count", u32(3));
    await expect(open({ ...contents, metadata: split })).rejects.toThrow(
      "x.gguf is file 2 of 3 of a model that was split; join them with llama.cpp",
    );
  });

  test("a file that becomes shorter while it is read", async () => {
    const { bytes } = await modelAndFile(tied, "F32");
    const { tensors } = await openGguf(bytesSource(bytes), "x.gguf");
    const { offset } = tensors.get("model.norm.weight")!.info;
    const memory = new Blob([bytes]);
    Object.defineProperty(memory, "slice", {
      value: (from: number, to: number) => new Blob([bytes.slice(0, offset + 8).slice(from, to)]),
    });
    await expect(loadModel(memory)).rejects.toThrow(
      'the GGUF file: reading 256 bytes of "output_norm.weight" gave 8; the file changed or is cut off',
    );
  });

  test("packed weights of a file that has no such blocks", async () => {
    const { bytes } = await modelAndFile(tied, "F16");
    await expect(load(bytes, { weights: "packed" })).rejects.toThrow(
      `tiny.gguf: weights "packed" supports ${packedTypes.join(" and ")}, but the file has only F16, F32; leave weights out, or load it with quantize`,
    );
  });

  test("packed weights of a folder", async () => {
    await expect(loadModel(memoryFiles({}, "mine"), { weights: "packed" })).rejects.toThrow(
      'mine: weights "packed" needs a GGUF file, and this is not one; leave it out',
    );
  });
});
