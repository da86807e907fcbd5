import { bytesSource, init, openSafetensors, reference, type Tensor, tensor, writeSafetensors } from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import { getPeftModel } from "../../peftModel/getPeftModel.ts";
import { PeftModel } from "../../peftModel/peftModel.ts";
import { logitBits, TinyModel, train } from "../../testing/tinyModel.ts";
import { topkForm } from "./vblora.ts";
import { VBLoRAConfig, type VBLoRAOptions } from "./vbloraConfig.ts";

beforeAll(() => init(reference()));

const base = () => new TinyModel().eval();
const sizes = { r: 2, vectorLength: 2, initVectorBankBound: 0.5, targetModules: ["up", "down"] };
const weightsFile = "adapter_model.safetensors";

const trained = async (options: VBLoRAOptions) => {
  const peft = await getPeftModel(base(), new VBLoRAConfig({ ...sizes, ...options }));
  train(peft);
  return peft;
};

const floats = (bytes: Uint8Array) => new Float32Array(bytes.slice().buffer);

const opened = (file: Uint8Array | string | undefined) => openSafetensors(bytesSource(file as Uint8Array), weightsFile);

const firstA = "base_model.model.layers.0.up.vblora_logits_A";

test.each([
  { numVectors: 8, topk: 3, dtype: "U8" },
  { numVectors: 255, topk: 1, dtype: "U8" },
  { numVectors: 256, topk: 2, dtype: "I16" },
])(
  "with saveOnlyTopkWeights, $topk of $numVectors vectors are saved as $dtype and answer as before",
  async (option) => {
    const { dtype, ...options } = option;
    const peft = await trained({ ...options, saveOnlyTopkWeights: true });
    const files = await peft.adapterFiles();
    const file = await opened(files.get(weightsFile));
    expect(file.info(`${firstA}_topk_indices`)).toMatchObject({ dtype, shape: [2, 3, options.topk] });
    expect(file.info(`${firstA}_topk_weights`)).toMatchObject({ dtype: "F32", shape: [2, 3, options.topk - 1] });
    expect(file.names().filter((name) => name.endsWith("logits_A") || name.endsWith("logits_B"))).toEqual([]);
    const again = await PeftModel.fromPretrained(base(), files);
    const [actual, expected] = [floats(await logitBits(again)), floats(await logitBits(peft))];
    // The weights are written as f32 and pass through a logarithm.
    expect(Math.max(...actual.map((x, i) => Math.abs(x - expected[i])))).toBeLessThan(2e-6);
    expect(JSON.parse((await again.adapterFiles()).get("adapter_config.json") as string).save_only_topk_weights).toBe(
      true,
    );
  },
);

test("a rank beyond the numbers of the file is refused", async () => {
  const files = await (await trained({ numVectors: 8 })).adapterFiles();
  const config = JSON.parse(files.get("adapter_config.json") as string);
  files.set("adapter_config.json", JSON.stringify({ ...config, r: 20_000_000 }));
  await expect(PeftModel.fromPretrained(base(), files)).rejects.toThrow(/: r is 20000000, more than the \d+ values in/);
});

test("what was saved for inference cannot be trained", async () => {
  const files = await (await trained({ numVectors: 8, saveOnlyTopkWeights: true })).adapterFiles();
  await expect(PeftModel.fromPretrained(base(), files, { isTrainable: true })).rejects.toThrow(
    "the file contains only what inference needs, so the adapter cannot be trained; load it without isTrainable",
  );
});

test.each([
  ["an index beyond the bank", "U8", 8, `${firstA}_topk_indices has the vector index 8; expected 0 to 7`],
  ["another kind of integer", "I8", 1, `${firstA}_topk_indices is I8; it must be U8`],
] as const)("%s is refused", async (_name, dtype, value, message) => {
  const files = await (await trained({ numVectors: 8, saveOnlyTopkWeights: true })).adapterFiles();
  const file = await opened(files.get(weightsFile));
  const entries = await Promise.all(
    file.names().map(async (name) => {
      const entry = { name, ...(await file.readStored(name)) };
      return name === `${firstA}_topk_indices` ? { ...entry, dtype, bytes: entry.bytes.slice().fill(value) } : entry;
    }),
  );
  const model = base();
  await expect(
    PeftModel.fromPretrained(model, new Map([...files, [weightsFile, writeSafetensors(entries)]])),
  ).rejects.toThrow(message);
  expect(await logitBits(model)).toEqual(await logitBits(base()));
});

test("vectors that do not divide a layer, and more of them than there are, are refused", async () => {
  const config = new VBLoRAConfig({ ...sizes, vectorLength: 4 });
  await expect(getPeftModel(base(), config)).rejects.toThrow("layers.0.up is [10,6]: vectorLength 4 must divide both");
  expect(() => new VBLoRAConfig({ numVectors: 2, topk: 3 })).toThrow(
    "VBLoRAConfig: topk is 3; it must be at most numVectors (2)",
  );
});

test.each([
  { numVectors: 255, dtype: "U8" },
  { numVectors: 256, dtype: "I16" },
  { numVectors: 32767, dtype: "I16" },
  { numVectors: 32768, dtype: "I32" },
])("indices into $numVectors vectors are $dtype", ({ numVectors, dtype }) => {
  const logits = { shape: [3, 2, numVectors] } as unknown as Tensor;
  expect(topkForm(numVectors, 2).parts("a.vblora_logits_B", logits)).toEqual([
    { name: "a.vblora_logits_B_topk_indices", dtype, shape: [3, 2, 2] },
    { name: "a.vblora_logits_B_topk_weights", dtype: "F32", shape: [3, 2, 1] },
  ]);
  expect(topkForm(numVectors, 2).parts("a.vblora_vector_bank", logits)).toBeNull();
});

// Softmax of log(1), log(2) and log(4) is 1/7, 2/7 and 4/7.
const [one, two, four] = [1, 2, 4].map((x) => Math.log(x));
const mixtures = () => tensor([one, four, two, -9, -9, two, four, one], { shape: [1, 2, 4] });

test("the indices of the largest logits are written with all of their weights except the last", async () => {
  const [indices, weights] = await topkForm(4, 3).encode(mixtures());
  expect([...indices]).toEqual([1, 2, 0, 2, 1, 3]);
  expect(floats(weights)).toEqual(Float32Array.of(4 / 7, 2 / 7, 4 / 7, 2 / 7));
  const wide = tensor(
    Array.from({ length: 300 }, (_, i) => (i === 299 ? 5 : -i)),
    { shape: [1, 1, 300] },
  );
  expect([...(await topkForm(300, 2).encode(wide))[0]]).toEqual([43, 1, 0, 0]);
});

test("the logits of read mixtures are the logarithms of their weights", () => {
  const bytes = new Uint8Array(Float32Array.of(0.5, 0.25, 0.75, 0.125).buffer);
  const logits = topkForm(4, 3).decode([Uint8Array.of(2, 0, 3, 1, 3, 0), bytes], mixtures(), "f");
  const [none, logarithms] = [-Infinity, (values: number[]) => Float32Array.from(values, Math.log)];
  expect(logits).toEqual(
    Float32Array.of(...logarithms([0.25]), none, ...logarithms([0.5, 0.25, 0.125, 0.75]), none, ...logarithms([0.125])),
  );
  const single = topkForm(4, 1).decode([Uint8Array.of(3, 0), new Uint8Array(0)], mixtures(), "f");
  expect(single).toEqual(Float32Array.of(none, none, none, 0, 0, none, none, none));
});

test.each([[-1], [300]])("the index %i into 300 vectors is refused", (index) => {
  const indices = new Uint8Array(Int16Array.of(index, 5).buffer);
  const logits = { size: 300 } as Tensor;
  expect(() => topkForm(300, 2).decode([indices, new Uint8Array(4)], logits, "f")).toThrow(
    `f has the vector index ${index}; expected 0 to 299`,
  );
});
