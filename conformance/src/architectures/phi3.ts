import type { DrawBase } from "../randomBases.ts";
import { llamaKin } from "./llama.ts";

/** A phi3: one projection for queries, keys and values, and one for gate and up projection. */
export const phi3: DrawBase = llamaKin("phi3", () => ({
  config: { resid_pdrop: 0, embd_pdrop: 0 },
  headDim: false,
  inTable: false,
  linears: ({ hidden, queries, keys, inner }) => ({
    "self_attn.qkv_proj": [hidden, queries + 2 * keys],
    "self_attn.o_proj": [queries, hidden],
    "mlp.gate_up_proj": [hidden, 2 * inner],
    "mlp.down_proj": [inner, hidden],
  }),
}));
