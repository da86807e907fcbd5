import { refuseSurplus } from "../engine/op.ts";
import { scope } from "../engine/scope.ts";
import type { Tensor } from "../engine/tensor.ts";
import * as ops from "../ops/index.ts";
import { eq, where } from "./comparison.ts";

/**
 * Returns the index of the largest logit in each row of f32 [B, V], as i32 [B]; of equal logits, the lowest index. A
 * row gives -1 if it has a NaN or its largest logit is infinite, as in `sampleTokens`.
 */
export function argmaxTokens(logits: Tensor): Tensor {
  refuseSurplus("argmaxTokens", 1, arguments);
  return scope(() => {
    const [largest, positions] = ops.max(logits, { dim: 1 });
    const finite = eq(ops.sub(largest, largest), 0);
    return ops.reshape(where(finite, positions, -1), { shape: [logits.shape[0]] });
  });
}
