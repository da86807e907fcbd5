import { Generator, init, reference, writeSafetensors } from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import { LoraConfig } from "../methods/lora/loraConfig.ts";
import { getPeftModel } from "../peftModel/getPeftModel.ts";
import { PeftModel } from "../peftModel/peftModel.ts";
import { logitBits, TinyModel } from "../testing/tinyModel.ts";
import { torchBin } from "../testing/torchBin.ts";
import { fromLoraWeights } from "./loraWeights.ts";

beforeAll(() => init(reference()));

const config = new LoraConfig({
  ...{ r: 2, loraAlpha: 3, initLoraWeights: false, targetModules: ["up", "down"] },
  rankPattern: { "layers.1.down": 4 },
});
const adapter = () => getPeftModel(new TinyModel().eval(), config, { generator: new Generator(2) });
const paths = ["layers.0.up", "layers.0.down", "layers.1.up", "layers.1.down"];

/** Returns the adapter's factors under other names, and alpha if the format stores it. */
async function renamed(name: (path: string, side: "A" | "B") => string, alpha?: (path: string) => string) {
  const tensors = (await adapter()).adapterTensors();
  const entries = [];
  for (const path of paths) {
    for (const side of ["A", "B"] as const) {
      const tensor = tensors.get(`base_model.model.${path}.lora_${side}.weight`)!;
      entries.push({ name: name(path, side), dtype: "f32" as const, shape: tensor.shape, bytes: await tensor.bytes() });
    }
    const value = new Uint8Array(Float32Array.of(3).buffer);
    if (alpha) entries.push({ name: alpha(path), dtype: "f32" as const, shape: [], bytes: value });
  }
  return writeSafetensors(entries);
}

const ofKohya = (part: string) => {
  const flat = (path: string) => `lora_${part}${path.replaceAll(".", "_")}`;
  const side = { A: "lora_down", B: "lora_up" };
  return renamed(
    (path, which) => `${flat(path)}.${side[which]}.weight`,
    (path) => `${flat(path)}.alpha`,
  );
};

async function same(files: Map<string, Uint8Array | string>): Promise<void> {
  const loaded = await PeftModel.fromPretrained(new TinyModel().eval(), files);
  expect(await logitBits(loaded)).toEqual(await logitBits(await adapter()));
  expect((await loaded.adapterFiles()).get("adapter_model.safetensors")).toEqual(
    files.get("adapter_model.safetensors"),
  );
}

test("weights of kohya's sd-scripts, whatever part of a model they name", async () => {
  for (const part of ["te_", "te1_", "unet_", ""]) {
    await same(await fromLoraWeights(await ofKohya(part), new TinyModel()));
  }
});

test("weights of loralib, in safetensors and of torch.save, with the alpha that they do not hold", async () => {
  const weights = await renamed((path, side) => `${path}.lora_${side}`);
  await same(await fromLoraWeights(weights, new TinyModel(), { loraAlpha: 3 }));
  await same(await fromLoraWeights(await torchBin(weights), new TinyModel(), { loraAlpha: 3 }));
  await expect(fromLoraWeights(weights, new TinyModel())).rejects.toThrow("has no layers.0.down.alpha; give loraAlpha");
});

test("what does not fit the model is named", async () => {
  const tensor = (name: string, shape: number[]) => ({
    name,
    dtype: "f32" as const,
    shape,
    bytes: new Uint8Array(4 * shape.reduce((product, n) => product * n, 1)),
  });
  const read = (...tensors: ReturnType<typeof tensor>[]) =>
    fromLoraWeights(writeSafetensors(tensors), new TinyModel(), { loraAlpha: 1, label: "x" });
  const up = "layers.0.up.lora_A";
  await expect(read(tensor(up, [2, 6]))).rejects.toThrow("x has layers.0.up.lora_A without layers.0.up.lora_B");
  await expect(read(tensor(up, [4, 6]), tensor("layers.0.up.lora_B", [10, 2]))).rejects.toThrow(
    "x: layers.0.up has A [4,6] and B [10,2]; on layers.0.up they must be [r,6] and [10,r] (loralib's MergedLinear",
  );
  await expect(read(tensor("mid.lora_A", [2, 6]), tensor("mid.lora_B", [10, 2]))).rejects.toThrow(
    "x: mid matches no linear layer of this model",
  );
  await expect(read(tensor(up, [2, 6]), tensor("layers.0.up.lora_B", [10, 2]), tensor("y", [1]))).rejects.toThrow(
    "x: y does not belong to the LoRA of any layer",
  );
  await expect(read()).rejects.toThrow("x holds no LoRA");
});
