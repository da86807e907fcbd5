import { init, reference } from "@lowrank/core";
import { memoryFiles } from "@lowrank/files";
import { beforeAll, expect, it } from "vitest";
import * as peft from "../index.ts";
import { TinyModel } from "../testing/tinyModel.ts";

beforeAll(async () => {
  await init(reference());
});

// biome-ignore lint/suspicious/noExplicitAny: calls from JavaScript have no types
const loose = peft as any;
const config = () => new peft.LoraConfig({ targetModules: "all-linear" });

it.each<[string, () => unknown, string]>([
  [
    "LoraConfig",
    () => new loose.LoraConfig({ lora_alpha: 16 }),
    "LoraConfig: there is no option lora_alpha; did you mean loraAlpha?",
  ],
  ["LoraConfig, misspelt", () => new loose.LoraConfig({ targetModule: ["q"] }), "did you mean targetModules?"],
])("%s refuses an unknown option", (_name, run, message) => {
  expect(run).toThrow(message);
});

it("the model's methods refuse unknown options", async () => {
  await expect(loose.parsePeftConfig({}, { lable: "x" })).rejects.toThrow("did you mean label?");
  await expect(loose.getPeftModel(new TinyModel(), config(), { adapter_name: "a" })).rejects.toThrow(
    "did you mean adapterName?",
  );
  await expect(loose.getPeftModel(new TinyModel(), { r: 8 })).rejects.toThrow("as in new LoraConfig({ r: 8 })");
  // biome-ignore lint/suspicious/noExplicitAny: calls from JavaScript have no types
  const model = (await peft.getPeftModel(new TinyModel(), config())) as any;
  expect(() => model.setAdapter("default", { inference_mode: true })).toThrow("did you mean inferenceMode?");
  await expect(model.mergeAdapter({ safe_merge: true })).rejects.toThrow(
    "mergeAdapter: there is no option safe_merge; did you mean safeMerge?",
  );
  await expect(model.mergeAndUnload({ progressbar: true })).rejects.toThrow(
    "mergeAndUnload: there is no option progressbar",
  );
  await expect(model.adapterFiles(["default"], { dytpe: "f16" })).rejects.toThrow("did you mean dtype?");
  await expect(model.adapterFiles(["default"], { dtype: "float32" })).rejects.toThrow(
    'adapterFiles: dtype "float32" is named "f32" in Lowrank',
  );
  await expect(model.loadAdapter(new Map(), "b", { is_trainable: true })).rejects.toThrow("did you mean isTrainable?");
  await expect(model.addWeightedAdapter(["default"], [1], "w", { combination_type: "svd" })).rejects.toThrow(
    "did you mean combinationType?",
  );
});

it.each([true, {}])("verify: %j says that inputs are missing, before anything is merged or written", async (verify) => {
  // biome-ignore lint/suspicious/noExplicitAny: calls from JavaScript have no types
  const model = (await peft.getPeftModel(new TinyModel(), config())) as any;
  const files = memoryFiles();
  const message = "verify: it has no inputs; give what forward takes";
  await expect(model.savePretrained(files, { verify })).rejects.toThrow(message);
  expect(await files.list?.()).toEqual([]);
  await expect(model.mergeAdapter({ verify })).rejects.toThrow(message);
  expect(model.isMerged).toBe(false);
});
