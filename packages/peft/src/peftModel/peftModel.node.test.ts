import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { init, reference } from "@lowrank/core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { LoraConfig } from "../methods/lora/loraConfig.ts";
import { logitBits, TinyModel, train } from "../testing/tinyModel.ts";
import { getPeftModel } from "./getPeftModel.ts";
import { PeftModel } from "./peftModel.ts";

let folder: string;

beforeAll(async () => {
  await init(reference());
  folder = await mkdtemp(join(tmpdir(), "lowrank-peft-"));
});

afterAll(() => rm(folder, { recursive: true }));

test("a folder written by savePretrained loads with the same answers", async () => {
  const peft = await getPeftModel(
    new TinyModel(),
    new LoraConfig({ r: 2, targetModules: ["up"], baseModelNameOrPath: "org/tiny" }),
  );
  train(peft);
  await peft.savePretrained(folder);
  expect((await readdir(folder)).sort()).toEqual(["README.md", "adapter_config.json", "adapter_model.safetensors"]);
  const again = await PeftModel.fromPretrained(new TinyModel(), folder);
  expect(await logitBits(again)).toEqual(await logitBits(peft));
});

test("a folder that is not there is an error that names it", async () => {
  await expect(PeftModel.fromPretrained(new TinyModel(), join(folder, "none"))).rejects.toThrow(
    /There is no folder .*none/,
  );
});
