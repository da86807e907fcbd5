import { bytesSource, Generator, init, reference, tensor } from "@lowrank/core";
import { memoryFiles } from "@lowrank/files";
import { beforeAll, expect, test } from "vitest";
import { openGguf } from "../checkpoint/gguf/openGguf.ts";
import { toGguf } from "../checkpoint/gguf/toGguf.ts";
import { loadModel } from "../checkpoint/loadModel.ts";
import { modelFileContents } from "../checkpoint/saveModel.ts";
import { randomParameters } from "../model/parameters.ts";
import { createModel } from "../registry/build/createModel.ts";
import { parseModelConfig } from "../registry/configs/modelConfig.ts";
import { expertTensors } from "./expertTensors.ts";
import { ggufBytes } from "./testing/ggufBytes.ts";

beforeAll(() => init(reference()));

const sizes = {
  ...{ vocab_size: 19, hidden_size: 16, intermediate_size: 12, num_hidden_layers: 4, max_position_embeddings: 32 },
  ...{ num_attention_heads: 2, num_key_value_heads: 1, bos_token_id: null, eos_token_id: null, pad_token_id: null },
};
const lfm2 = { model_type: "lfm2", ...sizes, full_attn_idxs: [1], conv_L_cache: 3, block_multiple_of: 4 };
const smollm3 = { model_type: "smollm3", ...sizes };

async function written(json: object) {
  const config = parseModelConfig(json);
  const draw = randomParameters(new Generator(3));
  const model = createModel(config, (name, shape, start) => draw(name, shape, "std" in start ? { std: 0.4 } : start));
  const contents = await toGguf(memoryFiles(await modelFileContents(model.eval(), config)), { dtype: "f32" });
  return { model, contents };
}

const inputs = () => ({ inputIds: tensor([[3, 7, 11, 5, 13, 4]], { dtype: "i32" }) });

test.each<[string, object, object]>([
  ["lfm2", lfm2, { layerTypes: ["conv", "full_attention", "conv", "conv"], blockAutoAdjustFfDim: false }],
  ["lfm2 of attention alone", { ...lfm2, full_attn_idxs: null }, { layerTypes: Array(4).fill("full_attention") }],
  ["lfm2 of long convolutions", { ...lfm2, conv_L_cache: 5 }, { convLCache: 5, convBias: false }],
  ["lfm2 of the shortest convolutions", { ...lfm2, conv_L_cache: 2 }, { convLCache: 2 }],
  ["smollm3", smollm3, { noRopeLayers: [1, 1, 1, 0], attentionBias: false, mlpBias: false, slidingWindow: null }],
])("%s is written and read back", async (_, json, config) => {
  const { model, contents } = await written(json);
  const bytes = await ggufBytes(contents);
  const loaded = await loadModel(new File([bytes], "a.gguf"));
  expect(loaded.config).toMatchObject(config);
  expect(loaded.model.nextLogits(inputs()).dataSync()).toEqual(model.nextLogits(inputs()).dataSync());
});

test.each<[object, string]>([
  [{ ...lfm2, conv_bias: true }, "conv_bias is true"],
  [{ ...lfm2, rope_scaling: { rope_type: "linear", factor: 2 } }, "rope_type is "],
  [{ ...lfm2, partial_rotary_factor: 0.5 }, "partial_rotary_factor is 0.5"],
  [{ ...lfm2, conv_L_cache: 1 }, "conv_L_cache is 1"],
  [{ ...lfm2, full_attn_idxs: [] }, "layer_types is "],
  [{ ...smollm3, no_rope_layers: [1, 0, 1, 0] }, "no_rope_layers is "],
  [{ ...smollm3, no_rope_layers: [1, 1, 1, 1] }, "no_rope_layers is "],
  [{ ...smollm3, use_sliding_window: true, sliding_window: 4 }, "use_sliding_window is true"],
  [{ ...smollm3, attention_bias: true }, "attention_bias is true"],
  [{ ...smollm3, mlp_bias: true }, "mlp_bias is true"],
])("%o has no form in a GGUF file", async (json, message) => {
  await expect(written(json)).rejects.toThrow(message);
});

test("lfm2's heads are 0 for convolutions, and alike for the other layers", async () => {
  const { contents } = await written(lfm2);
  expect(contents.metadata.get("lfm2.attention.head_count_kv")?.value).toEqual([0, 1, 0, 0]);
  const read = async (counts: number[]) => {
    const metadata = new Map(contents.metadata);
    metadata.set("lfm2.attention.head_count_kv", { type: "i32s", value: counts });
    return openGguf(bytesSource(await ggufBytes({ ...contents, metadata })));
  };
  expect((await read([0, 1, 0, 0])).config).toMatchObject({ numKeyValueHeads: 1 });
  for (const counts of [
    [0, 1, 0],
    [0, 0, 0, 0],
    [1, 2, 0, 0],
  ]) {
    await expect(read(counts)).rejects.toThrow("lfm2.attention.head_count_kv");
  }
});

test("experts are stacked by their kind, behind a router in f32", () => {
  const names = { gate: "w1", up: "w3", down: "w2" };
  const stacked = (index: number, name: string, gguf: string, shape: number[]) => {
    return { hf: `a.experts.${index}.${name}.weight`, gguf: `b.${gguf}.weight`, shape, stacked: { index, count: 2 } };
  };
  expect(expertTensors("a", "b", { count: 2, hiddenSize: 3, intermediateSize: 5, names })).toEqual([
    { hf: "a.gate.weight", gguf: "b.ffn_gate_inp.weight", shape: [2, 3], keepsF32: true },
    ...[0, 1].map((index) => stacked(index, "w1", "ffn_gate_exps", [5, 3])),
    ...[0, 1].map((index) => stacked(index, "w3", "ffn_up_exps", [5, 3])),
    ...[0, 1].map((index) => stacked(index, "w2", "ffn_down_exps", [3, 5])),
  ]);
});
