import {
  bytesSource,
  fromBytes,
  init,
  openSafetensors,
  reference,
  type SafetensorsTensor,
  writeSafetensors,
} from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import { LoraConfig } from "../methods/lora/loraConfig.ts";
import { VeraConfig } from "../methods/vectors/veraConfig.ts";
import { getPeftModel } from "../peftModel/getPeftModel.ts";
import { PeftModel } from "../peftModel/peftModel.ts";
import { TinyModel, train } from "../testing/tinyModel.ts";

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
