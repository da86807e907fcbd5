import { expertTensors } from "../../gguf/expertTensors.ts";
import type { GgufForm } from "../../gguf/ggufForm.ts";
import { notInGguf, u32 } from "../../gguf/ggufValues.ts";
import { llama3Factors, llamaMetadata, llamaTensors, readLlamaGguf, refuseWindow } from "../llama/ggufFields.ts";
import type { LlamaTraits } from "../llama/traits.ts";
import type { MixtralConfig } from "./model.ts";

/**
 * Returns the conversion of Mixtral to and from GGUF. Its GGUF files name the architecture "llama", but unlike Llama's
 * files they set the number of experts.
 */
export function mixtralForm(traits: (config: MixtralConfig) => LlamaTraits): GgufForm<MixtralConfig> {
  return {
    architecture: "llama",
    hasExperts: true,
    claims: ({ metadata, key }) => Boolean(metadata.raw(key("expert_count"))),
    readConfig: (parts) => {
      refuseWindow(parts);
      const { metadata, key } = parts;
      return {
        ...readLlamaGguf(parts),
        num_local_experts: metadata.integer(key("expert_count")),
        num_experts_per_tok: metadata.integer(key("expert_used_count")),
      };
    },
    metadata: (config) => {
      if (config.slidingWindow !== null) throw notInGguf("sliding_window", config.slidingWindow, "none for a mixtral");
      return {
        ...llamaMetadata(config),
        expert_count: u32(config.numLocalExperts),
        expert_used_count: u32(config.numExpertsPerTok),
      };
    },
    tensors: (config) => {
      const { hiddenSize, intermediateSize, numLocalExperts: count } = config;
      const sizes = { count, hiddenSize, intermediateSize, names: { gate: "w1", up: "w3", down: "w2" } };
      return llamaTensors(config, traits(config), {
        interleaves: true,
        feedForward: (from, to) => expertTensors(`${from}.block_sparse_moe`, to, sizes),
      });
    },
    ropeFactors: llama3Factors,
  };
}
