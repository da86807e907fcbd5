import { bytesSource, init, openSafetensors, reference, writeSafetensors } from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import { getPeftModel } from "../../peftModel/getPeftModel.ts";
import { PeftModel } from "../../peftModel/peftModel.ts";
import { logitBits, TinyModel, train } from "../../testing/tinyModel.ts";
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
  await expect(PeftModel.fromPretrained(base(), files)).rejects.toThrow(/: r is 20000000, and .* holds \d+ numbers/);
});

test("what was saved for inference cannot be trained", async () => {
  const files = await (await trained({ numVectors: 8, saveOnlyTopkWeights: true })).adapterFiles();
  await expect(PeftModel.fromPretrained(base(), files, { isTrainable: true })).rejects.toThrow(
    "the file holds what inference needs, from which the adapter cannot be trained; load it without isTrainable",
  );
});

test.each([
  ["an index beyond the bank", "U8", 8, `${firstA}_topk_indices holds 8; vectors go from 0 to 7`],
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
