import { checkCall } from "../engine/op.ts";
import { scope } from "../engine/scope.ts";
import type { Tensor } from "../engine/tensor.ts";
import * as ops from "../ops/index.ts";

/**
 * Returns the matrix product by PyTorch's rules: leading dimensions broadcast; a 1-D tensor is a row on the left or a
 * column on the right, and that dimension is dropped. `transposeA` and `transposeB` swap the last two dimensions of a
 * or b.
 */
export function matmul(a: Tensor, b: Tensor, options: ops.MatmulParams = {}): Tensor {
  checkCall("matmul", 2, arguments, options, { transposeA: true, transposeB: true });
  if (a.ndim > 1 && b.ndim > 1) return ops.matmul(a, b, options);
  return scope(() => {
    const left = a.ndim === 1 ? ops.reshape(a, { shape: [1, -1] }) : a;
    const right = b.ndim === 1 ? ops.reshape(b, { shape: [1, -1] }) : b;
    const out = ops.matmul(left, right, {
      transposeA: a.ndim > 1 && options.transposeA,
      transposeB: b.ndim === 1 || options.transposeB,
    });
    const rows = a.ndim === 1 ? [] : [out.shape[out.ndim - 2]];
    const columns = b.ndim === 1 ? [] : [out.shape[out.ndim - 1]];
    return ops.reshape(out, { shape: [...out.shape.slice(0, -2), ...rows, ...columns] });
  });
}

/** Options of `linear`. */
export interface LinearOptions {
  /** True if the weight is stored as [in, out], as in GPT-2's Conv1D, instead of [out, in]. Default false. */
  fanInFanOut?: boolean;
}

/**
 * Returns x Wᵀ + bias for x [..., in], weight [out, in] and bias [out]. The weight may be packed or in half precision.
 */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor | null, options: LinearOptions = {}): Tensor {
  checkCall("linear", 3, arguments, options, { fanInFanOut: true });
  return scope(() => {
    const y = matmul(x, weight, { transposeB: !options.fanInFanOut });
    return bias ? ops.add(y, ops.widen(bias)) : y;
  });
}
