import { expect, test } from "vitest";
import { describeModel } from "./createModel.ts";
import { presetConfig, presetJson, presetNames, stackPresetNames } from "./presets.ts";

// Parameter counts as published, or of the released checkpoints.
const counts: Record<string, number> = {
  gpt2: 124_439_808,
  "gpt2-medium": 354_823_168,
  "gpt2-large": 774_030_080,
  "gpt2-xl": 1_557_611_200,
  "gpt3-175b": 174_604_259_328,
  "llama-7b": 6_738_415_616,
  "llama-13b": 13_015_864_320,
  "llama-33b": 32_528_943_616,
  "llama-65b": 65_285_660_672,
  "llama-2-7b": 6_738_415_616,
  "llama-2-13b": 13_015_864_320,
  "llama-2-70b": 68_976_648_192,
  "llama-3-8b": 8_030_261_248,
  "llama-3-70b": 70_553_706_496,
  "llama-3.2-1b": 1_235_814_400,
  "llama-3.2-3b": 3_212_749_824,
  "smollm2-135m": 134_515_008,
  "smollm2-360m": 361_821_120,
  "smollm2-1.7b": 1_711_376_384,
  "tinyllama-1.1b": 1_100_048_384,
  stories15m: 15_191_712,
};

test("each preset has the parameters of the published model", () => {
  const names = presetNames().filter((name) => name in counts);
  const found = names.map((name) => [name, describeModel(presetConfig(name)).parameterCount]);
  expect(Object.fromEntries(found)).toEqual(counts);
});

test("the seven linear layers of Llama's blocks are those that QLoRA quantises", () => {
  const linear = (name: string) => {
    const { layers, head } = describeModel(presetConfig(name));
    const sizes = layers.map((layer) =>
      layer.kind === "linear" && layer.path !== head ? layer.inFeatures * layer.outFeatures : 0,
    );
    return sizes.reduce((a, b) => a + b, 0);
  };
  expect(["llama-7b", "llama-13b", "llama-33b", "llama-65b"].map(linear)).toEqual([
    6_476_005_376, 12_687_769_600, 32_102_154_240, 64_760_053_760,
  ]);
});

// Parameter counts as published.
test.each([
  ["gemma-2-2b", 2_614_341_888],
  ["gemma-3-270m", 268_098_176],
  ["gemma-3-1b", 999_885_952],
  ["qwen3-0.6b", 596_049_920],
  ["qwen3-8b", 8_190_735_360],
  ["phi-3-mini", 3_821_079_552],
  ["smollm3-3b", 3_075_098_624],
  ["lfm2-350m", 354_483_968],
  ["lfm2-1.2b", 1_170_340_608],
  ["granite-3.3-2b", 2_533_539_840],
  ["olmo-2-1b", 1_484_916_736],
  ["pythia-160m", 162_322_944],
  ["pythia-1.4b", 1_414_647_808],
  ["stablelm-2-1.6b", 1_644_515_328],
  ["mixtral-8x7b", 46_702_792_704],
  ["qwen1.5-moe-a2.7b", 14_315_784_192],
])("the preset %s has %d parameters", (name, count) => {
  expect(describeModel(presetConfig(name)).parameterCount).toBe(count);
});

test("an unknown name gets the nearest one, and all", () => {
  expect(() => presetConfig("llama-2-7")).toThrow(
    'there is no preset "llama-2-7"; did you mean llama-2-7b? There are gemma-2-2b, gemma-3-270m,',
  );
  expect(() => presetConfig("toString")).toThrow('there is no preset "toString"; there are');
});

test("presets of encoders are apart from those of language models", () => {
  const [languageModels, stacks] = [presetNames(), stackPresetNames()];
  expect(stacks.length).toBeGreaterThan(0);
  expect(languageModels.filter((name) => stacks.includes(name))).toEqual([]);
  expect(presetJson("gpt2")).toMatchObject({ model_type: "gpt2" });
  for (const name of stacks) expect(presetJson(name)).toMatchObject({ model_type: expect.any(String) });
  expect(presetJson("gpt9")).toBeUndefined();
});
