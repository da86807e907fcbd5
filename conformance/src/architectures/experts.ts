import type { DrawBase } from "../randomBases.ts";
import { llamaAttention, llamaKin } from "./llama.ts";

/** A mixtral. Adapters are only on its attention, since transformers stores all experts in one parameter. */
export const mixtral: DrawBase = llamaKin("mixtral", (draw) => {
  const experts = draw.integer(2, 4);
  return {
    config: { num_local_experts: experts, num_experts_per_tok: draw.integer(1, experts), sliding_window: null },
    headDim: true,
    linears: llamaAttention,
    otherLinears: true,
  };
});

/** A qwen2_moe with experts in some blocks. Adapters are only on its attention. */
export const qwen2Moe: DrawBase = llamaKin("qwen2_moe", (draw) => {
  const experts = draw.integer(2, 4);
  return {
    config: {
      num_experts: experts,
      num_experts_per_tok: draw.integer(1, experts),
      moe_intermediate_size: draw.integer(5, 20),
      shared_expert_intermediate_size: draw.integer(5, 20),
      decoder_sparse_step: draw.integer(1, 2),
      norm_topk_prob: draw.chance(0.5),
    },
    headDim: false,
    inTable: false,
    linears: llamaAttention,
    otherLinears: true,
  };
});
