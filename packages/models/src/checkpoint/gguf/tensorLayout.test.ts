import { bytesSource, f32ToF16, init, reference } from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import { ggmlTypes } from "../../gguf/types/ggmlTypes.ts";
import { parseModelConfig } from "../../registry/configs/modelConfig.ts";
import { architectures } from "../../registry/registry.ts";
import { readBlocks } from "./readBlocks.ts";
import { readGgufTensor } from "./readGgufTensor.ts";
import { fileShape, ggufFormOf } from "./tensorLayout.ts";
import { otherTypes } from "./toGguf.ts";

beforeAll(() => init(reference()));

const layout = { hf: "a", gguf: "a" };

test.each([
  [[4], [4]],
  [[1], [1]],
  [
    [3, 4],
    [3, 4],
  ],
  [
    [1, 4],
    [1, 4],
  ],
  [
    [4, 1],
    [4, 1],
  ],
  [
    [3, 1, 4],
    [3, 4],
  ],
  [
    [1, 1, 1],
    [1, 1],
  ],
  [
    [1, 2, 1, 3],
    [1, 2, 3],
  ],
])("the shape %j is %j in a file", (shape, expected) => {
  expect(fileShape({ ...layout, shape })).toEqual(expected);
  expect(fileShape({ ...layout, shape, transposed: true })).toEqual(expected.toReversed());
  expect(fileShape({ ...layout, shape, stacked: { index: 0, count: 2 } })).toEqual([2, ...expected]);
});

test("blocks are read into a buffer that has room, and otherwise into a new one", async () => {
  const bytes = Uint8Array.of(0, 1, 2, 3, 4, 5);
  const source = {
    ...bytesSource(bytes),
    size: 6,
    read: async (offset: number, length: number) => bytes.slice(offset, offset + length),
    readInto: async (offset: number, into: Uint8Array) => into.set(bytes.subarray(offset, offset + into.length)),
  };
  const info = (offset: number, byteLength: number) => ({ name: "t", offset, byteLength }) as never;
  for (const size of [3, 4]) {
    const room = new Uint8Array(size);
    const read = await readBlocks(source, info(1, 3), "f", room);
    expect([[...read], read.buffer === room.buffer]).toEqual([[1, 2, 3], true]);
  }
  const small = new Uint8Array(2);
  const read = await readBlocks(source, info(1, 3), "f", small);
  expect([[...read], [...small]]).toEqual([
    [1, 2, 3],
    [0, 0],
  ]);
  expect([...(await readBlocks(source, info(0, 2), "f"))]).toEqual([0, 1]);
  const plain = { size: 6, read: source.read };
  expect([...(await readBlocks(plain, info(4, 2), "f", new Uint8Array(9)))]).toEqual([4, 5]);
  await expect(readBlocks(plain, info(4, 3), "f")).rejects.toThrow(
    'f: reading 3 bytes of "t" gave 2; the file changed or is cut off',
  );
});

test.each(["F32", "Q3_K"])("%s is read in parts as half precision, as in whole as f32", async (name) => {
  const type = [...ggmlTypes.values()].find((one) => one.name === name)!;
  const shape = [1026, 256];
  const byteLength = (1026 * 256 * type.block.bytes) / type.block.elements;
  // Small values of each field, so that no result is too large for half precision.
  const bytes = Uint8Array.from({ length: byteLength }, (_, i) => (7 * i + (i >> 8)) % 59);
  const info = { name: "a", type, shape, offset: 0, byteLength };
  const file = {
    label: "f",
    source: bytesSource(bytes),
    tensors: new Map([["a", { info, layout: { ...layout, shape } }]]),
  };
  const whole = (await readGgufTensor(file as never, "a")).dataSync() as Float32Array;
  const expected = new Uint16Array(whole.length);
  f32ToF16(whole, expected);
  const read = await readGgufTensor(file as never, "a", { dtype: "f16" });
  expect([read.dtype, read.shape]).toEqual(["f16", shape]);
  const [found, own] = [await read.bytes(), new Uint8Array(expected.buffer)];
  expect(found.every((byte, i) => byte === own[i])).toBe(true);
});

test("a note names one tensor, or counts those of several layers", () => {
  const config = parseModelConfig({ model_type: "llama" });
  const of = (gguf: string, columns = 40) => ({ hf: gguf, gguf, shape: [8, columns] });
  const why = "f16 instead of q8_0, since rows are no whole blocks of 32";
  expect(otherTypes([of("blk.0.a.weight")], "Q8_0", config)).toEqual([`${why}: blk.0.a.weight [8,40]`]);
  expect(otherTypes([of("blk.0.a.weight"), of("blk.1.a.weight"), of("b.weight")], "Q8_0", config)).toEqual([
    `${why}: 2 of blk.*.a.weight [8,40], b.weight [8,40]`,
  ]);
  expect(otherTypes([of("blk.0.a.weight", 64)], "Q8_0", config)).toEqual([]);
});

/** llama.cpp's name of each architecture, and the properties of its form that are not defaults. */
const forms: Record<string, [name: string, properties?: object]> = {
  gemma2: ["gemma2", { alwaysTied: true }],
  gemma3_text: ["gemma3"],
  gemma4_text: ["gemma4", { hasExperts: true }],
  gpt2: ["gpt2"],
  gpt_neox: ["gptneox", { neverTied: true }],
  granite: ["granite", { heads: [32, 32] }],
  lfm2: ["lfm2"],
  llama: ["llama", { heads: [32, 32] }],
  mistral: ["llama", { heads: [32, 8] }],
  mixtral: ["llama", { hasExperts: true, heads: [32, 8], keepsF32: ["block_sparse_moe.gate.weight"] }],
  olmo2: ["olmo2"],
  phi3: ["phi3"],
  qwen2: ["qwen2"],
  qwen2_moe: ["qwen2moe", { hasExperts: true, keepsF32: ["mlp.gate.weight", "mlp.shared_expert_gate.weight"] }],
  qwen3: ["qwen3"],
  smollm3: ["smollm3", { heads: [16, 4] }],
  stablelm: ["stablelm", { neverTied: true }],
};

test("the table has every architecture with a GGUF form", () => {
  const known = architectures().flatMap(({ modelType, gguf }) => (gguf ? [modelType] : []));
  expect(Object.keys(forms)).toEqual(expect.arrayContaining(known.filter((one) => !one.startsWith("acme"))));
});

test.each(Object.entries(forms))("%s: rows are interleaved where llama.cpp expects it", async (model_type, form) => {
  const [name, { heads, keepsF32, ...properties }] = [form[0], (form[1] ?? {}) as Record<string, unknown>];
  const config = parseModelConfig({ model_type });
  const { architecture, tensors, ...found } = await ggufFormOf(config);
  expect(architecture).toBe(name);
  for (const key of ["alwaysTied", "neverTied", "hasExperts"] as const) {
    expect([key, found[key] ?? false]).toEqual([key, properties[key] ?? false]);
  }
  const first = tensors(config).filter(({ hf }) => /\.0\./.test(hf));
  const plus = new Set(tensors(config).flatMap((one) => one.plus ?? []));
  expect([...plus]).toEqual(["gemma2", "gemma3"].includes(name) ? [1] : []);
  const [q, k] = ["q_proj.weight", "k_proj.weight"].map((end) => first.find(({ hf }) => hf.endsWith(end)));
  expect([q?.heads, k?.heads]).toEqual(heads ?? [undefined, undefined]);
  const wide = first.filter((one) => one.keepsF32).map(({ hf }) => hf.replace(/^.*?\.0\./, ""));
  expect(wide).toEqual(keepsF32 ?? []);
});

test.each([
  ["lfm2", { num_hidden_layers: 2, layer_types: ["conv", "full_attention"] }, ["layers.0.conv.conv.weight"]],
  [
    "gemma4_text",
    { num_hidden_layers: 1, enable_moe_block: true, num_experts: 3, top_k_experts: 2, moe_intermediate_size: 5 },
    ["layers.0.router.proj.weight"],
  ],
])("%s: convolutions and routers stay f32", async (model_type, more, names) => {
  const config = parseModelConfig({ model_type, ...more });
  const wide = (await ggufFormOf(config)).tensors(config).filter(({ keepsF32 }) => keepsF32);
  expect(wide.map(({ hf }) => hf.replace("model.", ""))).toEqual(names);
});
