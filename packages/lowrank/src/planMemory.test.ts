import { beforeAll, describe, expect, test } from "vitest";
import {
  AdaLoraConfig,
  AdaptionPromptConfig,
  createModel,
  DoubleSeqBnConfig,
  describeModel,
  Generator,
  init,
  LoraConfig,
  type PlanOptions,
  PrefixTuningConfig,
  PromptEncoderConfig,
  PromptTuningConfig,
  parseModelConfig,
  planMemory,
  randomParameters,
  wasm,
} from "./index.gen.ts";
import { batchSize, measuredPrompt, measuredStep } from "./testing/measureMemory.ts";

const llama = parseModelConfig({
  model_type: "llama",
  vocab_size: 96,
  hidden_size: 32,
  intermediate_size: 88,
  num_hidden_layers: 3,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 128,
});
const gpt2 = parseModelConfig({
  model_type: "gpt2",
  vocab_size: 96,
  n_embd: 32,
  n_layer: 3,
  n_head: 4,
  n_positions: 128,
});
const adapter = new LoraConfig({ r: 4, targetModules: "all-linear" });

beforeAll(async () => {
  await init(wasm());
});

test("virtual tokens leave fewer positions to others", async () => {
  const adapter = new PrefixTuningConfig({ numVirtualTokens: 10 });
  const { maxPositions } = createModel(gpt2, randomParameters(new Generator(1)));
  const model = describeModel(gpt2);
  expect((await planMemory(model, { adapter })).sequenceLength).toBe(Math.min(512, maxPositions - 10));
  await expect(planMemory(model, { adapter, sequenceLength: maxPositions })).rejects.toThrow(
    `of which virtual tokens take 10; give ${maxPositions - 10} or less`,
  );
});

// The plan runs the same code as this test, on shapes. So its results are not estimates: they equal the engine's bytes.
describe.each([
  ["llama", llama],
  ["gpt2", gpt2],
])("%s takes what the plan says", (_name, config) => {
  const cases = [adapter, null].flatMap((adapter) =>
    [false, true].flatMap((gradientCheckpointing) =>
      [8, 32, 128].flatMap((sequenceLength) =>
        (sequenceLength === 32 ? [1, 3] : [1]).map((gradientAccumulationSteps) => {
          const name = `${adapter ? "LoRA" : "full"}, ${sequenceLength} tokens, ${gradientAccumulationSteps} passes, ${gradientCheckpointing ? "checkpointing" : "all kept"}`;
          return { name, adapter, gradientCheckpointing, sequenceLength, gradientAccumulationSteps, batchSize };
        }),
      ),
    ),
  );
  const half = { name: "LoRA on bf16", adapter, dtype: "bf16", sequenceLength: 32, batchSize } as const;
  const whole = { ...half, name: "full, bf16", adapter: null } as const;
  const packed = {
    ...half,
    name: "LoRA on NF4 and bf16",
    quantization: { quantType: "nf4", doubleQuant: true },
  } as const;
  const short = { name: "8 tokens", sequenceLength: 8, batchSize };

  const checkpointing = [half, packed].map((options) => {
    return { ...options, name: `${options.name}, checkpointing`, gradientCheckpointing: true };
  });

  const others = [
    { name: "prefix", adapter: new PrefixTuningConfig({ numVirtualTokens: 3 }) },
    { name: "projected prefix", adapter: new PrefixTuningConfig({ numVirtualTokens: 3, prefixProjection: true }) },
    { name: "prompt", adapter: new PromptTuningConfig({ numVirtualTokens: 3 }) },
    {
      name: "encoded prompt",
      adapter: new PromptEncoderConfig({ numVirtualTokens: 3, encoderReparameterizationType: "LSTM" }),
    },
    { name: "adaption prompt", adapter: new AdaptionPromptConfig({ adapterLen: 3, adapterLayers: 1 }) },
    { name: "DoRA", adapter: new LoraConfig({ r: 4, useDora: true, targetModules: "all-linear" }) },
    { name: "AdaLoRA", adapter: new AdaLoraConfig({ initR: 4, totalStep: 10, targetModules: "all-linear" }) },
    { name: "bottlenecks", adapter: new DoubleSeqBnConfig({ reductionFactor: 4 }) },
  ].map((one) => ({ ...one, sequenceLength: 32, batchSize }));
  const forgotten = others.map((one) => ({ ...one, name: `${one.name}, checkpointing`, gradientCheckpointing: true }));

  test.each([...cases, half, whole, packed, ...checkpointing, ...others, ...forgotten])(
    "in training: $name",
    async ({ name: _, ...options }) => {
      const { training } = await planMemory(describeModel(config), options);
      expect(training.bytes).toBe(await measuredStep(config, options));
    },
  );

  test.each([short, { ...short, name: "128 tokens", sequenceLength: 128 }, half, packed, ...others])(
    "in generation: $name",
    async ({ name: _, ...options }) => {
      const { generation, kvCache } = await planMemory(describeModel(config), options);
      const measured = await measuredPrompt(config, options);
      expect(kvCache).toBe(measured.kvCache);
      expect(generation).toBe(measured.peak);
    },
  );
});

// docs/planner.md gives these terms: the values per token and block that operations keep for gradients.
describe("what one more block keeps", () => {
  const [tokens, r] = [2 * 64, 4];
  const growth = async (json: (layers: number) => object, options: PlanOptions) => {
    const kept = async (layers: number) =>
      (
        await planMemory(describeModel(parseModelConfig(json(layers))), {
          ...options,
          batchSize: 2,
          sequenceLength: 64,
        })
      ).activations;
    return ((await kept(5)) - (await kept(4))) / (4 * tokens);
  };
  const [D, F, H, kv, d] = [32, 88, 4, 2, 8];
  const llamaOf = (num_hidden_layers: number) => {
    const sizes = { hidden_size: D, intermediate_size: F, num_attention_heads: H, num_key_value_heads: kv };
    return { model_type: "llama", vocab_size: 96, ...sizes, num_hidden_layers };
  };
  const gpt2Of = (n_layer: number) => {
    const sizes = { vocab_size: 96, n_embd: D, n_inner: F, n_head: H, n_positions: 64 };
    return { model_type: "gpt2", ...sizes, n_layer, attn_pdrop: 0 };
  };
  const droppingOf = (n_layer: number) => ({ ...gpt2Of(n_layer), attn_pdrop: 0.1 });
  const llamaTerms = 2 * D + 2 * H * d + 2 * kv * d + H + 2 * F;
  const gpt2Terms = 6 * D + H + F;

  test.each([
    ["llama, LoRA on all linear layers", llamaOf, { adapter }, llamaTerms + 7 * r],
    ["llama, all parameters", llamaOf, {}, llamaTerms],
    ["gpt2, LoRA on all linear layers", gpt2Of, { adapter }, gpt2Terms + 4 * r],
    ["gpt2, all parameters", gpt2Of, {}, gpt2Terms],
    ["gpt2 with dropout on attention", droppingOf, {}, gpt2Terms - H],
  ] as const)("%s", async (_what, json, options, terms) => {
    expect(await growth(json, options)).toBe(terms);
    expect(await growth(json, { ...options, gradientCheckpointing: true })).toBe(D);
  });
});
