import { type SafetensorsSpec, streamSafetensors } from "@lowrank/core";
import { describeModel, presetConfig } from "@lowrank/models";
import {
  describeAdapter,
  FourierFTConfig,
  IA3Config,
  LoraConfig,
  type PeftConfig,
  PrefixTuningConfig,
  VeraConfig,
} from "@lowrank/peft";
import { describe, expect, test } from "vitest";
import { findEncoder } from "./encoderShapes.ts";
import { type Agreement, agreement, publishedNumbers } from "./publishedNumbers.ts";

/** Numbers that nothing stated yields; the report prints them with the reason. */
const mismatches = [
  "GPT-2 M, all",
  "GPT-2 M, Houlsby, 112 wide",
  "GPT-2 M, LoRA r=4",
  "GPT-2 L, LoRA r=4",
  "GPT-3, all",
  "GPT-3, biases of the blocks",
  "GPT-3, 16 virtual activations a layer",
  "GPT-3, LoRA r=128",
  "GPT-3, 64 virtual activations a layer",
  "RoBERTa-large, Pfeiffer, 64 wide",
  "RoBERTa-large, Houlsby, 64 wide",
  "DeBERTa XXL, LoRA r=8",
  "LLaMA3-8B, DoRA r=16",
  "RoBERTa-large, VeRA r=16",
  "GPT-3, VeRA r=16",
  "GPT-3, VeRA r=256",
  "AdaLoRA r=64: bytes of the file",
];

describe("published numbers", () => {
  test.each(publishedNumbers.map((number) => [`${number.source}: ${number.what}`, number] as const))(
    "%s",
    (_name, { what, published, compute, reading }) => {
      const found = agreement(published, compute());
      if (mismatches.includes(what)) {
        expect(found).toBe("differs");
        expect(reading).toBeTruthy();
      } else if (!/[KM%]/.test(published)) {
        expect(found).toBe("exact");
      } else {
        expect(["rounded", "cut"]).toContain(found);
      }
      if (found === "cut") expect(reading).toContain("cut");
    },
  );

  test("every mismatch is among them", () => {
    expect(publishedNumbers.filter(({ what }) => mismatches.includes(what))).toHaveLength(mismatches.length);
  });
});

test.each<[string, number, Agreement]>([
  ["4.7M", 4_718_592, "rounded"],
  ["4.7M", 4_650_000, "rounded"],
  ["4.7M", 4_649_999, "differs"],
  ["4.7M", 4_750_000, "cut"],
  ["4.7M", 4_800_000, "differs"],
  ["18.4K", 18_456, "cut"],
  ["0.83 %", 0.8256, "rounded"],
  ["1,157,064", 1_157_064, "exact"],
  ["1,157,064", 1_157_065, "differs"],
  ["≈40K", 38_400, "rounded"],
  ["≈40K", 33_000, "differs"],
])("%s beside %f: %s", (published, computed, found) => {
  expect(agreement(published, computed)).toBe(found);
});

test("what is published has to be a number", () => {
  expect(() => agreement("many", 4)).toThrow('"many" is not a number that can be compared');
});

// Counts of transformers 5.24's AutoModel.
test.each([
  ["bert-base", 109_482_240],
  ["bert-large", 335_141_888],
  ["roberta-base", 124_645_632],
  ["roberta-large", 355_359_744],
  ["deberta-v2-xxlarge", 1_564_549_632],
])("%s has the parameters of transformers' AutoModel", (name, count) => {
  const sizes = findEncoder(name)?.parameters.map(({ shape }) => shape.reduce((a, b) => a * b, 1)) ?? [];
  expect(sizes.reduce((a, b) => a + b, 0)).toBe(count);
});

/** The length of what the writer of adapter files writes for these tensors, zeros all of them. */
async function written(tensors: readonly SafetensorsSpec[]): Promise<number> {
  const pieces = tensors.map((tensor) => ({
    ...tensor,
    read: async () => new Uint8Array(4 * tensor.shape.reduce((a, b) => a * b, 1)),
  }));
  let length = 0;
  for await (const piece of streamSafetensors(pieces, { format: "pt" })) length += piece.length;
  return length;
}

// From PEFT's comparison of methods on Llama-3.2-3B: the file that is written has these bytes, without the base model.
test.each<[string, PeftConfig, number]>([
  ["LoRA r=32", new LoraConfig({ r: 32 }), 36_715_216],
  ["DoRA r=32", new LoraConfig({ r: 32, useDora: true }), 37_181_760],
  ["(IA)³", new IA3Config(), 1_157_064],
  ["a prefix of 200", new PrefixTuningConfig({ numVirtualTokens: 200 }), 45_875_328],
  ["VeRA r=256", new VeraConfig({ r: 256 }), 6_821_968],
  ["FourierFT", new FourierFTConfig(), 231_416],
])("written, %s", async (_what, config, bytes) => {
  const { tensors } = describeAdapter(describeModel(presetConfig("llama-3.2-3b")), config, { dtype: "bf16" });
  expect(new Set(tensors.map(({ dtype }) => dtype))).toEqual(new Set(["f32"]));
  expect(await written(tensors)).toBe(bytes);
});
