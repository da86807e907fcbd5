import { Generator, init, reference, type Tensor, tensor } from "@lowrank/core";
import { memoryFiles } from "@lowrank/files";
import { beforeAll, describe, expect, test } from "vitest";
import { openGguf } from "../checkpoint/gguf/openGguf.ts";
import { toGguf } from "../checkpoint/gguf/toGguf.ts";
import { loadSequenceClassifier } from "../checkpoint/loadEncoder.ts";
import { loadModel } from "../checkpoint/loadModel.ts";
import { modelFileContents } from "../checkpoint/saveModel.ts";
import { ggufBytes } from "../gguf/testing/ggufBytes.ts";
import { randomParameters } from "../model/parameters.ts";
import { createModel, describeModel } from "../registry/build/createModel.ts";
import { parseClassifierConfig, parseModelConfig, toHfConfig } from "../registry/configs/modelConfig.ts";
import { presetConfig } from "../registry/configs/presets.ts";

const sizes = {
  ...{ vocab_size: 13, hidden_size: 16, intermediate_size: 24, num_hidden_layers: 2, num_attention_heads: 4 },
  ...{ num_key_value_heads: 2, max_position_embeddings: 24, pad_token_id: 0 },
};
const mistral = { model_type: "mistral", ...sizes, head_dim: 8, sliding_window: 3 };
const qwen2 = { model_type: "qwen2", ...sizes };
const windowed = { ...qwen2, use_sliding_window: true, sliding_window: 2, max_window_layers: 1 };

beforeAll(() => init(reference()));

const ids = (rows: number[][]): Tensor => tensor(rows, { dtype: "i32" });

const newModel = (json: object) => {
  const draw = randomParameters(new Generator(1));
  return createModel(parseModelConfig(json), (name, shape, start) =>
    draw(name, shape, "std" in start || name.endsWith("bias") ? { std: 0.5 } : start),
  ).eval();
};

const lastLogits = (model: ReturnType<typeof newModel>, row: number[]) =>
  model.nextLogits({ inputIds: ids([row]) }).dataSync();

describe("configs", () => {
  test("defaults of transformers", () => {
    expect(parseModelConfig({ model_type: "mistral" })).toMatchObject({
      ...{ vocabSize: 32000, hiddenSize: 4096, intermediateSize: 14336, numHiddenLayers: 32, numKeyValueHeads: 8 },
      ...{ maxPositionEmbeddings: 131072, rmsNormEps: 1e-6, slidingWindow: 4096, bosTokenId: 1, eosTokenIds: [2] },
    });
    expect(parseModelConfig({ model_type: "qwen2" })).toMatchObject({
      ...{ vocabSize: 151936, hiddenSize: 4096, intermediateSize: 22016, numHiddenLayers: 32, numKeyValueHeads: 32 },
      ...{ maxPositionEmbeddings: 32768, slidingWindow: null, maxWindowLayers: 28, bosTokenId: null, eosTokenIds: [] },
    });
  });

  test("null is no window, and absence transformers' own", () => {
    expect(parseModelConfig({ ...mistral, sliding_window: null })).toMatchObject({ slidingWindow: null });
    expect(parseModelConfig({ ...windowed, sliding_window: null })).toMatchObject({ slidingWindow: null });
    expect(parseModelConfig({ ...qwen2, use_sliding_window: true })).toMatchObject({ slidingWindow: 4096 });
  });

  test.each([
    ["mistral", mistral],
    ["mistral without a window", { ...mistral, sliding_window: null }],
    ["qwen2", qwen2],
    ["qwen2 with a window", windowed],
  ])("%s is written and read back", (_, json) => {
    const config = parseModelConfig(json);
    expect(parseModelConfig(toHfConfig(config))).toEqual(config);
  });

  test("layer_types are one for each layer, and go before max_window_layers", () => {
    expect(() => parseModelConfig({ ...qwen2, layer_types: ["full_attention"] })).toThrow(
      'layer_types is ["full_attention"]; expected "full_attention" or "sliding_attention" for each of 2 layers',
    );
    const other = ["sliding_attention", "full_attention"];
    expect(parseModelConfig({ ...windowed, layer_types: other })).toMatchObject({ layerTypes: other });
    const types = ["full_attention", "sliding_attention"];
    expect(parseModelConfig({ ...windowed, layer_types: types })).toMatchObject({ slidingWindow: 2 });
  });

  // Parameter counts as published.
  test.each([
    ["mistral-7b", 7_241_732_096],
    ["qwen2.5-0.5b", 494_032_768],
    ["qwen2.5-7b", 7_615_616_512],
  ])("the preset %s has %d parameters", (name, count) => {
    expect(describeModel(presetConfig(name)).parameterCount).toBe(count);
  });
});

describe("windows", () => {
  test("a token of one windowed layer does not see what is out of its window", () => {
    const model = newModel({ ...mistral, num_hidden_layers: 1 });
    const answer = lastLogits(model, [4, 9, 2, 7, 5]);
    expect(lastLogits(model, [11, 3, 2, 7, 5])).toEqual(answer);
    expect(lastLogits(model, [4, 9, 8, 7, 5])).not.toEqual(answer);
    const all = newModel({ ...mistral, num_hidden_layers: 1, sliding_window: null });
    expect(lastLogits(all, [11, 3, 2, 7, 5])).not.toEqual(lastLogits(all, [4, 9, 2, 7, 5]));
  });

  test("only layers from max_window_layers on are windowed", () => {
    const blind = newModel({ ...windowed, max_window_layers: 0 });
    const seeing = newModel(windowed);
    // Two layers with windows of two positions reach two tokens back.
    expect(lastLogits(blind, [4, 9, 2, 7])).toEqual(lastLogits(blind, [5, 9, 2, 7]));
    expect(lastLogits(seeing, [4, 9, 2, 7])).not.toEqual(lastLogits(seeing, [5, 9, 2, 7]));
  });

  test("a cache gives what the whole text gives", () => {
    const model = newModel(mistral);
    const text = [4, 9, 2, 7, 5, 1, 12];
    using cache = model.createCache(1, 24);
    model.nextLogits({ inputIds: ids([text.slice(0, 4)]), cache });
    let last = new Float32Array() as ArrayLike<number>;
    for (const token of text.slice(4)) last = model.nextLogits({ inputIds: ids([[token]]), cache }).dataSync();
    const whole = lastLogits(model, text);
    expect(Math.max(...Array.from(last, (x, i) => Math.abs(x - whole[i])))).toBeLessThan(1e-5);
  });
});

test.each(["embedding_multiplier", "residual_multiplier", "logits_scaling", "attention_multiplier"])(
  "Granite's %s changes logits, whatever its value",
  (key) => {
    const granite = { model_type: "granite", ...sizes, attention_multiplier: 1 };
    const answers = [1, 2, 3].map((value) => [...lastLogits(newModel({ ...granite, [key]: value }), [4, 9, 2])].join());
    expect(new Set(answers).size).toBe(3);
  },
);

test("Qwen2 MoE has experts in each decoder_sparse_step-th layer", () => {
  const layers = (more: object) => {
    const own = { moe_intermediate_size: 8, shared_expert_intermediate_size: 8, num_experts: 4, num_hidden_layers: 7 };
    const config = parseModelConfig({ model_type: "qwen2_moe", ...sizes, ...own, ...more });
    const paths = describeModel(config).layers.map(({ path }) => path);
    return paths.flatMap((path) => /layers\.(\d+)\.mlp\.gate$/.exec(path)?.[1] ?? []).join();
  };
  expect(layers({})).toBe("0,1,2,3,4,5,6");
  expect(layers({ decoder_sparse_step: 3 })).toBe("2,5");
  expect(layers({ decoder_sparse_step: 3, mlp_only_layers: [2] })).toBe("5");
});

describe("GGUF", () => {
  const convert = async (json: object) => {
    const model = newModel(json);
    const { notes, ...contents } = await toGguf(memoryFiles(await modelFileContents(model, parseModelConfig(json))), {
      dtype: "f32",
    });
    return { model, notes, bytes: await ggufBytes(contents) };
  };

  test.each([
    ["mistral", mistral, "llama", "mistral"],
    ["mistral without a window", { ...mistral, sliding_window: null }, "llama", "llama"],
    ["qwen2", qwen2, "qwen2", "qwen2"],
    ["qwen2, tied", { ...qwen2, tie_word_embeddings: true }, "qwen2", "qwen2"],
  ])("%s is written and gives the same answers when it is read", async (_, json, architecture, type) => {
    const { model, bytes } = await convert(json);
    const loaded = await loadModel(new File([bytes], "a.gguf"));
    expect(loaded.config.modelType).toBe(type);
    expect(lastLogits(loaded.model, [4, 9, 2, 7, 5])).toEqual(lastLogits(model, [4, 9, 2, 7, 5]));
    const { header } = await openGguf({ size: bytes.length, read: async (at, n) => bytes.slice(at, at + n) });
    expect(header.metadata.get("general.architecture")?.value).toBe(architecture);
  });

  test("qwen2's heads lie as in transformers, and its biases have llama.cpp's names", async () => {
    const { model, bytes } = await convert(qwen2);
    const file = await openGguf({ size: bytes.length, read: async (at, n) => bytes.slice(at, at + n) });
    const { info } = file.tensors.get("model.layers.0.self_attn.q_proj.bias")!;
    expect(info.name).toBe("blk.0.attn_q.bias");
    const stored = bytes.slice(info.offset, info.offset + info.byteLength);
    expect(stored).toEqual(await model.stateDict().get("model.layers.0.self_attn.q_proj.bias")!.bytes());
  });

  test("what llama.cpp does not heed is noted, and what it cannot mean is refused", async () => {
    const notes = (await convert(mistral)).notes.join();
    expect(notes).toContain("llama.cpp does not heed the sliding window of 3 positions");
    await expect(convert(windowed)).rejects.toThrow("use_sliding_window is true; a GGUF file can only mean false");
  });
});

test.each([
  ["llama", { ...qwen2, model_type: "llama" }],
  ["mistral", mistral],
  ["qwen2", qwen2],
])("%s classifies by the last token that is not padding, and is saved", async (_, json) => {
  const config = parseClassifierConfig({ ...json, num_labels: 3 });
  const model = createModel(config, randomParameters(new Generator(1))).eval();
  const rows = [
    [4, 9, 2, 7],
    [5, 3, 0, 0],
  ];
  const padded = model.forward({
    inputIds: ids(rows),
    attentionMask: tensor(
      [
        [1, 1, 1, 1],
        [1, 1, 0, 0],
      ],
      { dtype: "u8" },
    ),
  });
  const alone = model.forward({ inputIds: ids([[5, 3]]) }).logits.dataSync();
  expect(Math.max(...Array.from(alone, (x, i) => Math.abs(x - padded.logits.dataSync()[3 + i])))).toBeLessThan(1e-6);
  const again = await loadSequenceClassifier(memoryFiles(await modelFileContents(model, config)));
  expect(again.config).toEqual(config);
  expect(again.model.forward({ inputIds: ids(rows.slice(0, 1)) }).logits.dataSync()).toEqual(
    model.forward({ inputIds: ids(rows.slice(0, 1)) }).logits.dataSync(),
  );
});
