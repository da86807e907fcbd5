import { bytesSource, init, openSafetensors, reference } from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import { LoraConfig } from "../methods/lora/loraConfig.ts";
import { getPeftModel } from "../peftModel/getPeftModel.ts";
import { PeftModel } from "../peftModel/peftModel.ts";
import { logitBits, TinyModel, train } from "../testing/tinyModel.ts";

beforeAll(() => init(reference()));

const config = new LoraConfig({ r: 2, bias: "all", targetModules: ["down"], modulesToSave: ["norm", "layers.1"] });

test("biases of modules that train whole stand in the file as often as in PEFT's, and it loads again", async () => {
  const peft = await getPeftModel(new TinyModel().eval(), config.with({ excludeModules: ["layers.1.down"] }));
  train(peft);
  const files = await peft.adapterFiles();
  const file = await openSafetensors(bytesSource(files.get("adapter_model.safetensors") as Uint8Array), "the file");
  const root = "base_model.model.layers";
  expect(file.names().filter((name) => name.endsWith("bias"))).toEqual([
    `${root}.0.down.base_layer.bias`,
    `${root}.0.norm.bias`,
    `${root}.0.norm.modules_to_save.bias`,
    `${root}.0.norm.original_module.bias`,
    `${root}.0.up.bias`,
    `${root}.1.down.bias`,
    `${root}.1.modules_to_save.default.down.bias`,
    `${root}.1.modules_to_save.default.norm.bias`,
    `${root}.1.modules_to_save.default.up.bias`,
    `${root}.1.norm.bias`,
    `${root}.1.original_module.down.bias`,
    `${root}.1.original_module.norm.bias`,
    `${root}.1.original_module.up.bias`,
    `${root}.1.up.bias`,
  ]);
  const read = async (name: string) => [...(await file.read(`${root}.0.${name}`)).bytes];
  expect(await read("norm.modules_to_save.bias")).toEqual(await read("norm.bias"));
  expect(await read("norm.original_module.bias")).not.toEqual(await read("norm.bias"));
  const again = await PeftModel.fromPretrained(new TinyModel().eval(), files);
  expect(await logitBits(again)).toEqual(await logitBits(peft));
  expect(await again.adapterFiles()).toEqual(files);
  const other = await PeftModel.fromPretrained(new TinyModel().eval(), files, { adapterName: "other" });
  expect(await logitBits(other)).toEqual(await logitBits(peft));
});
