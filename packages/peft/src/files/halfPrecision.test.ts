import {
  bytesSource,
  fromBytes,
  init,
  openSafetensors,
  reference,
  type SafetensorsTensor,
  tensor,
  writeSafetensors,
} from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import { LoraConfig } from "../methods/lora/loraConfig.ts";
import { VeraConfig } from "../methods/sharedVectors/veraConfig.ts";
import { getPeftModel } from "../peftModel/getPeftModel.ts";
import { PeftModel } from "../peftModel/peftModel.ts";
import { TinyModel, train } from "../testing/tinyModel.ts";
import { halfPrecisionOf, unchangedHalfPrecision } from "./halfPrecision.ts";

beforeAll(() => init(reference()));

const weights = "adapter_model.safetensors";
const config = new LoraConfig({
  r: 2,
  initLoraWeights: false,
  targetModules: ["up"],
  bias: "all",
  modulesToSave: ["lm_head"],
});
type Files = Map<string, Uint8Array | string>;
const open = (files: Files) => openSafetensors(bytesSource(files.get(weights) as Uint8Array));
const dtypes = async (files: Files) => {
  const file = await open(files);
  return new Set(file.names().map((name) => file.info(name).dtype));
};
const load = (files: Files, isTrainable = false) =>
  PeftModel.fromPretrained(new TinyModel(), files, { isTrainable, onWarning: () => {} });

/** Returns the files with LoRA's own tensors in f32, as PEFT writes an adapter on a half-precision base model. */
async function withoutHalfOfLora(half: Files, full: Files): Promise<Files> {
  const tensors: SafetensorsTensor[] = [];
  for (const name of (await open(full)).names()) {
    tensors.push({ name, ...(await (await open(name.includes("lora_") ? full : half)).readStored(name)) });
  }
  return new Map([...full, [weights, writeSafetensors(tensors, { format: "pt" })]]);
}

test.each(["f16", "bf16"] as const)(
  "files in %s come back as they were, and in f32 where it is asked for",
  async (dtype) => {
    const peft = await getPeftModel(new TinyModel(), config);
    train(peft, 2);
    const [half, full] = [await peft.adapterFiles(undefined, { dtype }), await peft.adapterFiles()];
    for (const files of [half, await withoutHalfOfLora(half, full), full]) {
      const again = await load(files);
      expect((await again.adapterFiles()).get(weights)).toEqual(files.get(weights));
      expect(await dtypes(await again.adapterFiles(undefined, { dtype: "f32" }))).toEqual(new Set(["F32"]));
    }
  },
);

test("what has been trained since is not rounded", async () => {
  const half = await (await getPeftModel(new TinyModel(), config)).adapterFiles(undefined, { dtype: "bf16" });
  const again = await load(half, true);
  train(again, 1);
  const saved = await again.adapterFiles();
  expect(await dtypes(saved)).toEqual(new Set(["F32"]));
  expect((await (await load(saved)).adapterFiles()).get(weights)).toEqual(saved.get(weights));
});

test("constants of a file in half precision come back too", async () => {
  const vera = await getPeftModel(new TinyModel(), new VeraConfig({ r: 3, targetModules: ["up"] }));
  const files = await vera.adapterFiles();
  const file = await open(files);
  const tensors = await Promise.all(
    file.names().map(async (name) => {
      const { bytes, shape, dtype } = await file.read(name);
      using full = fromBytes(bytes, shape, dtype);
      using half = full.to("bf16");
      return { name, dtype: "bf16" as const, shape, bytes: await half.bytes() };
    }),
  );
  const half = new Map([...files, [weights, writeSafetensors(tensors, { format: "pt" })] as const]);
  expect((await (await load(half)).adapterFiles()).get(weights)).toEqual(half.get(weights));
});

test("half precision in the file counts for f32 tensors that the file has", async () => {
  const two = (name: string, dtype: "f16" | "bf16" | "f32") => {
    return { name, dtype, shape: [2], bytes: new Uint8Array(dtype === "f32" ? 8 : 4) };
  };
  const bytes = writeSafetensors([two("a", "f16"), two("b", "bf16"), two("c", "f32"), two("d", "f16")]);
  const file = await openSafetensors(bytesSource(bytes));
  const full = () => tensor([1, 2]);
  const tensors = new Map([
    ["a", full()],
    ["b", full()],
    ["c", full()],
    ["d", full().to("f16")],
    ["e", full()],
  ]);
  const stored = halfPrecisionOf(file, tensors);
  expect([...stored]).toEqual([
    ["a", "f16"],
    ["b", "bf16"],
  ]);
  expect(await unchangedHalfPrecision(stored, new Map([["a", full()]]))).toBe(stored);
  expect((await unchangedHalfPrecision(stored, new Map([["b", tensor([1, 1 / 3])]]))).size).toBe(0);
});
