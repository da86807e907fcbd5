import type { sampleTokensOp } from "@lowrank/core/backend";
import { uniformsOf } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "./kernel.ts";

export const sampleTokensOpKernel: WasmKernel = kernel<typeof sampleTokensOp>(
  "sampleTokens",
  (k, [logits], [out], { temperature = 1, topK = 0, topP = 1, minP = 0, state }, scratch) => {
    const [rows, tokens] = logits.shape;
    const [odds, heap] = [scratch(8 * tokens), scratch(4 * tokens)];
    for (const [r, uniform] of uniformsOf(rows, state).entries()) {
      const [from, to] = [logits.ptr + 4 * r * tokens, out.ptr + 4 * r];
      k.sampleToken(from, tokens, uniform, temperature, topK, topP, minP, odds, heap, to);
    }
  },
);
