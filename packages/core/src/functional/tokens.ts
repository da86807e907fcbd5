import { refuseSurplus } from "../engine/op.ts";
import { scope } from "../engine/scope.ts";
import type { Tensor } from "../engine/tensor.ts";
import * as ops from "../ops/index.ts";
import { eq, where } from "./comparison.ts";

/**
 * Returns the token with the largest logit in each row of f32 [B, V], as i32 [B]; the lowest index of equal ones. A row
 * with a NaN or an infinite largest logit gives -1, as in `sampleTokens`.
 */
export function argmaxTokens(logits: Tensor): Tensor {
  refuseSurplus("argmaxTokens", 1, arguments);
  return scope(() => {
    const [largest, positions] = ops.max(logits, { dim: 1 });
    const finite = eq(ops.sub(largest, largest), 0);
    return ops.reshape(where(finite, positions, -1), { shape: [logits.shape[0]] });
  });
}
