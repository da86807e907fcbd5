import type { DrawBase } from "../randomBases.ts";
import { llamaAttention, llamaKin } from "./llama.ts";

/**
 * The parameters of transformers' modules with experts. If each token has one expert, with a weight of 1, gradients of
 * the router are zero, and AdamW would make steps from rounding errors.
 */
const parametersOf = (perToken: number, normalises: boolean): string[] => [
  ...["mlp.experts.gate_up_proj", "mlp.experts.down_proj"],
  ...(perToken > 1 || !normalises ? ["mlp.gate.weight"] : []),
];

/** A mixtral. Adapters of layers are only on its attention, since transformers stores all experts in one parameter. */
export const mixtral: DrawBase = llamaKin("mixtral", (draw) => {
  const experts = draw.integer(2, 4);
  const perToken = draw.integer(1, experts);
  return {
    config: { num_local_experts: experts, num_experts_per_tok: perToken, sliding_window: null },
    headDim: true,
    linears: llamaAttention,
    otherLinears: true,
    parameters: parametersOf(perToken, true),
  };
});

/** A qwen2_moe with experts in some blocks. Adapters of layers are only on its attention. */
export const qwen2Moe: DrawBase = llamaKin("qwen2_moe", (draw, layers) => {
  const experts = draw.integer(2, 4);
  const perToken = draw.integer(1, experts);
  const [inner, sharedInner] = [draw.integer(5, 20), draw.integer(5, 20)];
  const step = draw.integer(1, 2);
  const normalises = draw.chance(0.5);
  return {
    config: {
      num_experts: experts,
      num_experts_per_tok: perToken,
      moe_intermediate_size: inner,
      shared_expert_intermediate_size: sharedInner,
      decoder_sparse_step: step,
      norm_topk_prob: normalises,
    },
    headDim: false,
    inTable: false,
    linears: llamaAttention,
    otherLinears: true,
    // With a step of 2, the first layer is dense.
    ...(layers >= step ? { parameters: parametersOf(perToken, normalises) } : {}),
  };
});
