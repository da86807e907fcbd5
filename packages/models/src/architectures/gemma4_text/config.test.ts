import { expect, test } from "vitest";
import { parseModelConfig, toHfConfig } from "../../registry/configs/modelConfig.ts";

const [full, sliding] = ["full_attention", "sliding_attention"];
const read = (more: object = {}) => parseModelConfig({ model_type: "gemma4_text", num_hidden_layers: 4, ...more });
const types = { layer_types: [sliding, full, sliding, full] };

test("layers that share keys leave a layer of each type its own", () => {
  expect(read({ ...types, num_kv_shared_layers: 2 })).toMatchObject({ numKvSharedLayers: 2 });
  expect(() => read({ ...types, num_kv_shared_layers: 3 })).toThrow("leaves a layer of type full_attention");
  expect(() => read({ ...types, num_kv_shared_layers: 4 })).toThrow("fewer than num_hidden_layers 4");
  expect(() => read({ ...types, num_kv_shared_layers: -1 })).toThrow("num_kv_shared_layers is -1");
  const alike = { layer_types: [full, full, full, full] };
  expect(read({ ...alike, num_kv_shared_layers: 3 })).toMatchObject({ numKvSharedLayers: 3 });
  expect(() => read({ ...alike, num_kv_shared_layers: 4 })).toThrow("fewer than num_hidden_layers 4");
});

test("the last layer sees all positions, whatever a config holds", () => {
  expect(read({ layer_types: [full, sliding, sliding, sliding] })).toMatchObject({
    layerTypes: [full, sliding, sliding, full],
  });
});

test("own embeddings of layers are of any width, or of none", () => {
  for (const size of [0, 1, 256]) {
    expect(read({ hidden_size_per_layer_input: size })).toMatchObject({ hiddenSizePerLayerInput: size });
  }
  const small = { vocab_size: 100, vocab_size_per_layer_input: 99 };
  expect(() => read({ ...small, hidden_size_per_layer_input: 1 })).toThrow("expected at least vocab_size 100");
  expect(read({ ...small, hidden_size_per_layer_input: 0 })).toMatchObject({ vocabSizePerLayerInput: 99 });
  expect(read({ ...small, vocab_size_per_layer_input: 100 })).toMatchObject({ vocabSizePerLayerInput: 100 });
});

test("experts of a token are at most all", () => {
  const experts = { enable_moe_block: true, num_experts: 3, moe_intermediate_size: 5 };
  expect(read({ ...experts, top_k_experts: 3 })).toMatchObject({
    experts: { numExperts: 3, topKExperts: 3, moeIntermediateSize: 5 },
  });
  expect(() => read({ ...experts, top_k_experts: 4 })).toThrow("top_k_experts is 4; expected at most num_experts 3");
  expect(() => read({ ...experts, top_k_experts: 0 })).toThrow("top_k_experts is 0");
  expect(read({ ...experts, enable_moe_block: false })).toMatchObject({ experts: null });
  const config = read({ ...experts, top_k_experts: 2 });
  expect(parseModelConfig(toHfConfig(config))).toEqual(config);
});

test("heads of the layers that see all positions", () => {
  expect(read()).toMatchObject({
    ...{ headDim: 256, numKeyValueHeads: 4, globalHeads: { headDim: 512, numKeyValueHeads: 4 } },
  });
  expect(read({ num_global_key_value_heads: 2 })).toMatchObject({ globalHeads: { numKeyValueHeads: 4 } });
  const shared = { attention_k_eq_v: true };
  expect(read({ ...shared, num_global_key_value_heads: 2 })).toMatchObject({ globalHeads: { numKeyValueHeads: 2 } });
  expect(read(shared)).toMatchObject({ globalHeads: { numKeyValueHeads: 4 } });
  expect(() => read({ global_head_dim: 511 })).toThrow("layers of type full_attention have 4 key heads of size 511");
  const three = { ...shared, num_global_key_value_heads: 3 };
  expect(() => read(three)).toThrow(
    "layers of type full_attention have 3 key heads of size 512; their number must divide num_attention_heads",
  );
  // Heads of windowed layers are not checked if there are no such layers.
  expect(() => read({ head_dim: 254, layer_types: [full, full, full, full] })).not.toThrow();
});

test("per_layer_config holds the sizes of the layers that differ", () => {
  const own = { head_dim: 128, num_key_value_heads: 2 };
  expect(read({ ...types, per_layer_config: { 1: own, 3: own } })).toMatchObject({
    ...{ headDim: 256, numKeyValueHeads: 4, globalHeads: { headDim: 128, numKeyValueHeads: 2 } },
  });
  expect(read({ ...types, per_layer_config: { 0: { head_dim: 64 }, 2: { head_dim: 64 } } })).toMatchObject({
    ...{ headDim: 64, numKeyValueHeads: 4, globalHeads: { headDim: 256, numKeyValueHeads: 4 } },
  });
  expect(read({ ...types, per_layer_config: {} })).toMatchObject({ globalHeads: { headDim: 256 } });
  expect(() => read({ ...types, per_layer_config: { 1: own } })).toThrow(
    "3 is undefined; expected the sizes of layer 1",
  );
  expect(() => read({ ...types, per_layer_config: { 0: own } })).toThrow("expected the sizes of layer 0");
  const other = { ...own, intermediate_size: 3 };
  expect(() => read({ ...types, per_layer_config: { 1: other, 3: other } })).toThrow(
    "head_dim and num_key_value_heads alone",
  );
  const none = { layer_types: [full, full, full, full], per_layer_config: {} };
  expect(read({ ...none, head_dim: 32 })).toMatchObject({ headDim: 32, globalHeads: { headDim: 32 } });
});

test("settings of rotary embedding are of each type", () => {
  const plain = { rope_type: "default", rope_theta: 50 };
  expect(read({ rope_parameters: { [full]: plain, [sliding]: { ...plain, rope_theta: 70 } } })).toMatchObject({
    ...{ rope: { theta: 50, partialRotaryFactor: 1, scaling: null } },
    localRope: { theta: 70, partialRotaryFactor: 1, scaling: null },
  });
  expect(() => read({ rope_parameters: { [full]: plain } })).toThrow(
    "expected settings of sliding_attention among them",
  );
  expect(() => read({ rope_parameters: { [sliding]: plain } })).toThrow(
    "expected settings of full_attention among them",
  );
  const alike = { layer_types: [full, full, full, full] };
  expect(read({ ...alike, rope_parameters: { [full]: plain } })).toMatchObject({
    ...{ rope: { theta: 50 }, localRope: { theta: 10000, partialRotaryFactor: 1, scaling: null } },
  });
  const part = { ...plain, partial_rotary_factor: 0.5 };
  expect(() => read({ rope_parameters: { [full]: part, [sliding]: plain } })).toThrow(
    'expected 1, or rope_type "proportional"',
  );
});

test("images' tokens may see each other, and no others", () => {
  for (const value of [null, "vision"]) expect(() => read({ use_bidirectional_attention: value })).not.toThrow();
  for (const value of ["all", true]) {
    expect(() => read({ use_bidirectional_attention: value })).toThrow('null or "vision": a decoder is supported');
  }
});
