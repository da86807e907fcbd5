import { Generator, init, randn, reference, scope, sub } from "@lowrank/core";
import type { Linear } from "@lowrank/nn";
import { beforeAll, expect, test } from "vitest";
import type { Warning } from "../../config/warning.ts";
import { getPeftModel } from "../../peftModel/getPeftModel.ts";
import { TinyModel } from "../../testing/tinyModel.ts";
import { BeftConfig } from "./beftConfig.ts";

beforeAll(() => init(reference()));

test("a bias is added to the outputs, and merged into the layer's own", async () => {
  const model = new TinyModel();
  const up = model.layers.at(0).up as Linear;
  const x = randn([2, up.inFeatures], { generator: new Generator(2) });
  const plain = scope(() => up.forward(x));
  const before = up.bias!.dataSync().slice();
  const warnings: Warning[] = [];
  const config = new BeftConfig({ targetModules: ["layers.0.up"], initWeights: false });
  const peft = await getPeftModel(model, config, {
    generator: new Generator(8),
    onWarning: (warning) => warnings.push(warning),
  });
  const [[key, bias]] = peft.adapterTensors();
  expect([key, bias.shape]).toEqual(["base_model.model.layers.0.up.beft_bias", [1, 10]]);
  const added = bias.dataSync().slice();
  const difference = scope(() => sub((model.layers.at(0).up as Linear).forward(x), plain)).dataSync();
  for (const [i, value] of difference.entries()) expect(Math.abs(value - added[i % 10])).toBeLessThan(1e-5);
  await peft.mergeAndUnload();
  for (const [i, value] of up.bias!.dataSync().entries()) expect(value).toBeCloseTo(before[i] + added[i], 6);
  expect(warnings).toEqual([]);
});

test("a layer without a bias gives a warning, and cannot be merged", async () => {
  const warnings: Warning[] = [];
  const onWarning = (warning: Warning) => warnings.push(warning);
  const peft = await getPeftModel(new TinyModel(), new BeftConfig({ targetModules: ["lm_head"] }), { onWarning });
  const message = "lm_head has no bias, so that the adapter cannot be merged into the weights";
  expect(warnings).toEqual([{ code: "unmergeable", message }]);
  await expect(peft.mergeAdapter()).rejects.toThrow(
    "it adds to a layer's bias, and this layer has none; keep it unmerged",
  );
});

test("excluded modules are refused, since PEFT's class has no such field", () => {
  expect(() => new BeftConfig({ excludeModules: ["up"] })).toThrow("PEFT's BeftConfig has no such field");
});
