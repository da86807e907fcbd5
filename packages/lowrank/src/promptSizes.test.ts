import { describe, expect, test } from "vitest";
import {
  DoubleSeqBnConfig,
  describeAdapter,
  describeModel,
  PrefixTuningConfig,
  PromptEncoderConfig,
  parseClassifierConfig,
  presetConfig,
  SeqBnConfig,
} from "./index.gen.ts";

const sizes = async (model: Parameters<typeof describeAdapter>[0], config: Parameters<typeof describeAdapter>[1]) => {
  const { trainable, fileBytes } = await describeAdapter(model, config);
  return { trainable, fileBytes };
};

describe("PEFT's benchmark on Llama-3.2-3B", () => {
  const model = describeModel(presetConfig("llama-3.2-3b"));

  test("a prefix of 200 tokens", async () => {
    const config = new PrefixTuningConfig({ numVirtualTokens: 200 });
    expect(await sizes(model, config)).toEqual({ trainable: 11_468_800, fileBytes: 45_875_328 });
  });

  test("P-tuning with 20 tokens trains far more than it saves", async () => {
    const config = new PromptEncoderConfig({ numVirtualTokens: 20 });
    expect(await sizes(model, config)).toEqual({ trainable: 28_382_208, fileBytes: 245_880 });
  });
});

test("Li and Liang's prefix on GPT-2 medium: what trains, and what is kept", async () => {
  const config = new PrefixTuningConfig({ numVirtualTokens: 5, prefixProjection: true, encoderHiddenSize: 512 });
  const { trainable, tensors } = await describeAdapter(describeModel(presetConfig("gpt2-medium")), config);
  expect(trainable).toBe(25_744_896);
  expect(tensors.map(({ shape }) => shape.reduce((a, b) => a * b))).toEqual([245_760]);
});

describe("bottleneck adapters", () => {
  const bert = (hidden_size: number, num_hidden_layers: number) => {
    const sizes = { hidden_size, num_hidden_layers, num_attention_heads: hidden_size / 64 };
    return describeModel(parseClassifierConfig({ model_type: "bert", intermediate_size: 4 * hidden_size, ...sizes }));
  };

  test.each([
    ["Houlsby's of 64 on BERT-base", bert(768, 12), new DoubleSeqBnConfig({ reductionFactor: 12 }), 2_379_264],
    ["Houlsby's of 64 on BERT-large", bert(1024, 24), new DoubleSeqBnConfig({ reductionFactor: 16 }), 6_343_680],
    ["Houlsby's of 8 on a large model", bert(1024, 24), new DoubleSeqBnConfig({ reductionFactor: 128 }), 835_968],
    ["Pfeiffer's of 16 on a large model", bert(1024, 24), new SeqBnConfig({ reductionFactor: 64 }), 811_392],
    ["one of 48 for each layer of a base model", bert(768, 12), new SeqBnConfig({ reductionFactor: 16 }), 894_528],
  ])("%s", async (_name, model, config, expected) => {
    expect((await describeAdapter(model, config)).trainable).toBe(expected);
  });
});
