import { expertTensors } from "../../gguf/expertTensors.ts";
import type { GgufForm, TensorLayout } from "../../gguf/ggufForm.ts";
import { notInGguf, u32 } from "../../gguf/ggufValues.ts";
import { llamaMetadata, llamaTensors, readLlamaGguf, refuseLlama3, refuseWindow } from "../llama/ggufFields.ts";
import type { LlamaTraits } from "../llama/traits.ts";
import type { Qwen2MoeConfig } from "./model.ts";

/** Throws for config values that GGUF cannot store and that differ from the values that llama.cpp assumes. */
function refuseOthers(config: Qwen2MoeConfig): void {
  for (const [key, value, expected] of [
    ["use_sliding_window", config.slidingWindow !== null, false],
    ["norm_topk_prob", config.normTopkProb, false],
    ["qkv_bias", config.qkvBias, true],
    ["decoder_sparse_step", config.decoderSparseStep, 1],
    ["mlp_only_layers", config.mlpOnlyLayers.join(), ""],
  ] as const) {
    if (value !== expected) throw notInGguf(key, value, `${JSON.stringify(expected)} for a qwen2_moe`);
  }
  refuseLlama3(config);
}

function feedForward(config: Qwen2MoeConfig, from: string, to: string): TensorLayout[] {
  const { hiddenSize, numExperts: count, moeIntermediateSize, sharedExpertIntermediateSize: shared } = config;
  const names = { gate: "gate_proj", up: "up_proj", down: "down_proj" };
  const one = (hf: string, gguf: string, shape: readonly number[]) => ({
    hf: `${from}.${hf}.weight`,
    gguf: `${to}.${gguf}_shexp.weight`,
    shape,
  });
  return [
    ...expertTensors(from, to, { count, hiddenSize, intermediateSize: moeIntermediateSize, names }),
    { ...one("shared_expert_gate", "ffn_gate_inp", [1, hiddenSize]), keepsF32: true },
    one("shared_expert.gate_proj", "ffn_gate", [shared, hiddenSize]),
    one("shared_expert.up_proj", "ffn_up", [shared, hiddenSize]),
    one("shared_expert.down_proj", "ffn_down", [hiddenSize, shared]),
  ];
}

/** Returns the conversion of Qwen2 MoE to and from GGUF. */
export function qwen2MoeForm(traits: (config: Qwen2MoeConfig) => LlamaTraits): GgufForm<Qwen2MoeConfig> {
  return {
    architecture: "qwen2moe",
    hasExperts: true,
    readConfig: (parts) => {
      refuseWindow(parts);
      const { metadata, key, tensors } = parts;
      // Older files lack the keys for these sizes, so they are read from the shapes of tensors.
      const rows = (name: string) => tensors.get(`blk.0.${name}.weight`)?.shape.at(-2);
      return {
        ...readLlamaGguf(parts),
        use_sliding_window: false,
        num_experts: metadata.integer(key("expert_count")),
        num_experts_per_tok: metadata.integer(key("expert_used_count")),
        moe_intermediate_size: metadata.integer(key("expert_feed_forward_length"), rows("ffn_gate_exps")),
        shared_expert_intermediate_size: metadata.integer(
          key("expert_shared_feed_forward_length"),
          rows("ffn_gate_shexp"),
        ),
      };
    },
    metadata: (config) => {
      refuseOthers(config);
      return {
        ...llamaMetadata(config),
        expert_count: u32(config.numExperts),
        expert_used_count: u32(config.numExpertsPerTok),
        expert_feed_forward_length: u32(config.moeIntermediateSize),
        expert_shared_feed_forward_length: u32(config.sharedExpertIntermediateSize),
      };
    },
    tensors: (config) =>
      llamaTensors(config, traits(config), {
        interleaves: false,
        feedForward: (from, to) => feedForward(config, `${from}.mlp`, to),
      }),
  };
}
