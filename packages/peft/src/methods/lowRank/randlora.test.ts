import { init, reference } from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import type { Warning } from "../../config/warning.ts";
import { getPeftModel } from "../../peftModel/getPeftModel.ts";
import { PeftModel } from "../../peftModel/peftModel.ts";
import { logitBits, TinyModel, train } from "../../testing/tinyModel.ts";
import { RandLoraConfig } from "./randloraConfig.ts";

beforeAll(() => init(reference()));

const options = { r: 4, projectionPrngKey: 9, targetModules: ["up", "down"] };
const warned: Warning[] = [];
const onWarning = (warning: Warning) => void warned.push(warning);

// Recorded from PEFT 0.21.2 and PyTorch 2.15, for layers [10, 6] and [6, 10]: the first values of A, the last of B.
test.each([
  {
    kind: {},
    a: [0.62890625, -0.796875, -0.08056640625, 1.1171875, 1.6796875, 1.7421875, -0.9609375, 1.828125],
    b: [0.058349609375, 1.5078125, -0.5234375, 0.70703125, 0.171875, -1.4140625, -1.390625, -0.72265625],
  },
  {
    kind: { sparse: true },
    a: [0, 0, 0, 0, 2.0701966285705566, 2.0701966285705566, 0, 2.0701966285705566],
    b: [0, 1.650185465812683, 0, -1.650185465812683, 0, -1.650185465812683, -1.650185465812683, 0],
  },
  {
    kind: { verySparse: true },
    a: [0, 0, 0, 0, 2.0701966285705566, 2.0701966285705566, 0, 2.0701966285705566],
    b: [0, 1.6676077842712402, 0, -1.6676077842712402, 0, -1.6676077842712402, -1.6676077842712402, 0],
  },
])("bases are PEFT's for the same seed: $kind", async ({ kind, a, b }) => {
  const files = await (await getPeftModel(new TinyModel(), new RandLoraConfig({ ...options, ...kind }))).adapterFiles();
  const peft = await PeftModel.fromPretrained(new TinyModel(), files);
  const values = (name: string) => [...peft.adapterTensors().get(name)!.dataSync()];
  expect(values("base_model.model.layers.0.up.randlora_A").slice(0, 8)).toEqual(a);
  expect(values("base_model.model.layers.1.down.randlora_B").slice(-8)).toEqual(b);
});

test("saveProjection: false leaves the bases out of the file, with a warning", async () => {
  const config = new RandLoraConfig({ ...options, saveProjection: false });
  const peft = await getPeftModel(new TinyModel(), config, { onWarning });
  const saving = await getPeftModel(new TinyModel(), new RandLoraConfig(options));
  expect([train(peft), await logitBits(peft)]).toEqual([train(saving), await logitBits(saving)]);
  const files = await peft.adapterFiles();
  const loaded = await PeftModel.fromPretrained(new TinyModel(), files, { onWarning });
  expect(warned.map(({ code }) => code)).toEqual(["start-not-repeatable", "start-not-repeatable"]);
  expect(await logitBits(loaded)).toEqual(await logitBits(peft));
  expect(new TextDecoder().decode(files.get("adapter_model.safetensors") as Uint8Array)).not.toContain("randlora_A");
  await expect(PeftModel.fromPretrained(new TinyModel(), await saving.adapterFiles())).resolves.toBeDefined();
});
