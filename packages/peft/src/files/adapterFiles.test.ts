import {
  bytesSource,
  init,
  openSafetensors,
  reference,
  type SafetensorsTensor,
  type Tensor,
  tensor,
  writeSafetensors,
  zeros,
} from "@lowrank/core";
import { memoryFiles } from "@lowrank/files";
import { beforeAll, expect, test } from "vitest";
import { LoraConfig } from "../methods/lora/loraConfig.ts";
import { methodOf } from "../methods/registry.ts";
import { checkExpressions } from "../saved/readAdapter.ts";
import {
  adapterContents,
  compareKeys,
  describeMismatch,
  differingTables,
  openWeights,
  readInto,
} from "./adapterFiles.ts";
import { inFile, inFileAsync } from "./configFile.ts";
import { modelCard } from "./modelCard.ts";

beforeAll(() => init(reference()));

const stored = (name: string, values: readonly number[]): SafetensorsTensor => {
  return { name, dtype: "f32", shape: [values.length], bytes: new Uint8Array(Float32Array.from(values).buffer) };
};
const fileOf = (...tensors: SafetensorsTensor[]) => openSafetensors(bytesSource(writeSafetensors(tensors)), "w");
const values = (t: Tensor | undefined) => [...(t?.dataSync() ?? [])];
const keys = (count: number) => Array.from({ length: count }, (_, i) => `layer.${i}`);

test("an adapter of another model is told by some of its keys, and the number of the others", () => {
  const text = describeMismatch("LoRA adapter 'sql'", {
    missing: [],
    unexpected: keys(420),
    misshaped: ["a is [1], [2] here"],
  });
  expect(text).toBe(
    `LoRA adapter 'sql' does not fit this model and its adapter_config.json; unexpected: ${keys(8).join(", ")}, ` +
      "and 412 more; of another shape: a is [1], [2] here",
  );
});

test.each([
  { count: 1, shown: "layer.0" },
  { count: 8, shown: keys(8).join(", ") },
  { count: 9, shown: `${keys(8).join(", ")}, and 1 more` },
])("$count missing keys are described", ({ count, shown }) => {
  expect(describeMismatch("f", { missing: keys(count), unexpected: [], misshaped: [] })).toBe(
    `f does not fit this model and its adapter_config.json; missing: ${shown}`,
  );
});

test("a file is compared with what it must contain and with what it may contain", async () => {
  const file = await fileOf(stored("a", [1, 2]), stored("b", [1]), stored("c", [1]), stored("d", [1]));
  const spec = (name: string, shape: number[]) => ({ name, shape, dtype: "f32" as const });
  const optional = new Map([
    ["c", zeros([3])],
    ["d", zeros([1])],
    ["e", zeros([1])],
  ]);
  expect(compareKeys(file, [spec("a", [2]), spec("x", [1])], optional)).toEqual({
    missing: ["x"],
    unexpected: ["b"],
    misshaped: ["c is [1] in the file, [3] here"],
  });
  const same = compareKeys(await fileOf(stored("a", [1])), [spec("a", [1])], new Map());
  expect(same).toEqual({ missing: [], unexpected: [], misshaped: [] });
  expect(describeMismatch("f", same)).toBeNull();
});

test("progress counts the bytes in the file of tensors that are read", async () => {
  const half: SafetensorsTensor = { name: "b", dtype: "f16", shape: [3], bytes: Uint8Array.of(0, 0x3c, 0, 0x40, 0, 0) };
  const file = await fileOf(stored("a", [5, 6]), half, stored("x", [1]));
  const tensors = new Map(Object.entries({ a: zeros([2]), b: zeros([3]), c: zeros([1]) }));
  const reported: unknown[] = [];
  await readInto(file, tensors, null, { onProgress: (progress) => reported.push(progress) });
  expect(reported).toEqual([
    { loaded: 8, total: 14, name: "a" },
    { loaded: 14, total: 14, name: "b" },
  ]);
  expect([...tensors.values()].map(values)).toEqual([[5, 6], [1, 2, 0], [0]]);
});

test("only tables that the file contains with other values are returned", async () => {
  const file = await fileOf(stored("a", [5, 6]), stored("b", [5, 6]));
  const tables = new Map(Object.entries({ a: tensor([5, 6]), b: tensor([5, 7]), c: tensor([1]) }));
  const found = await differingTables(file, tables);
  expect([...found.keys()]).toEqual(["b"]);
  expect(values(found.get("b"))).toEqual([5, 6]);
});

test("safetensors are read if there is also a torch file", async () => {
  const weights = writeSafetensors([stored("a", [1])]);
  const pickle = Uint8Array.of(1, 2, 3);
  const names = async (files: Record<string, Uint8Array>) => {
    return (await openWeights(memoryFiles(new Map(Object.entries(files))))).names();
  };
  expect(await names({ "adapter_model.safetensors": weights, "adapter_model.bin": pickle })).toEqual(["a"]);
  expect(await names({ "adapter_model.safetensors": weights })).toEqual(["a"]);
  await expect(names({ "adapter_model.bin": pickle })).rejects.toThrow("adapter_model.bin");
  await expect(names({})).rejects.toThrow("adapter_model.safetensors");
});

test.each([
  { numbers: [70000, 1], lost: 70000 },
  { numbers: [1, -70000], lost: -70000 },
])("$lost cannot be saved as f16", async ({ numbers, lost }) => {
  const config = new LoraConfig({ targetModules: ["q"] });
  const trained = new Map([["w", tensor(numbers)]]);
  const adapter = { method: await methodOf(config), config };
  await expect(adapterContents(adapter, trained, new Map(), () => "f16")).rejects.toThrow(
    `saving as f16: w holds ${lost}, which is outside the range of f16; save as bf16 or f32`,
  );
  const contents = await adapterContents(adapter, new Map([["w", tensor([65504])]]), new Map(), () => "f16");
  expect([...contents.keys()]).toEqual(["adapter_config.json", "adapter_model.safetensors", "README.md"]);
});

test.each([80, 81])("a slow expression of %i characters is refused and shown in at most 80", async (length) => {
  const expression = `(a+)+${"b".repeat(length - 5)}`;
  const shown = length > 80 ? `(a+)+${"b".repeat(72)}...` : expression;
  for (const [field, options] of [
    ["target_modules", { targetModules: expression }],
    ["exclude_modules", { targetModules: "a", excludeModules: expression }],
    ["modules_to_save", { targetModules: "a", modulesToSave: ["a", expression] }],
    ["layers_pattern", { targetModules: ["a"], layersToTransform: [0], layersPattern: expression }],
    ["layers_pattern", { targetModules: ["a"], layersToTransform: [0], layersPattern: ["h", expression] }],
    ["rankPattern", { targetModules: ["a"], rankPattern: { a: 1, [expression]: 2 } }],
    ["alphaPattern", { targetModules: ["a"], alphaPattern: { [expression]: 2 } }],
  ] as const) {
    const config = new LoraConfig(options);
    const method = await methodOf(config);
    expect(() => checkExpressions(config, method, "f"), field).toThrow(
      `f: ${field} holds the expression ${JSON.stringify(shown)}, which could take very long to match`,
    );
  }
});

test("an error is given the name of its file once", async () => {
  const from = (error: unknown) => () => {
    throw error;
  };
  expect(() => inFile("f", from(new Error("too bad")))).toThrow(new Error("f: too bad"));
  const named = new Error("in f");
  const other = new RangeError("too large");
  for (const error of [named, other, "text"]) {
    await expect(inFileAsync("f", async () => from(error)())).rejects.toBe(error);
  }
  expect(inFile("f", () => 5)).toBe(5);
});

test("a model card has the base model's name only if the configuration has one", () => {
  const card = (baseModelNameOrPath: string | null) => modelCard(new LoraConfig({ baseModelNameOrPath }));
  for (const none of [null, ""]) {
    expect(card(none)).toMatch(/^---\nlibrary_name: peft\ntags:\n- lora\n---\n\n# A LORA adapter\n/);
  }
  expect(card("org/a_b")).toContain('base_model: "org/a_b"\n');
  expect(card("org/a_b")).toContain('- "base_model:adapter:org/a_b"\n- lora\n');
  expect(card("org/a_b")).toContain("# A LORA adapter of org/a\\_b\n");
});
