import { refuseSurplus } from "../op.ts";
import * as ops from "../ops/index.ts";
import type { Tensor } from "../tensor.ts";

/**
 * X with A X = B (Aᵀ X = B with `transposeA`), for A [..., n, n] and B [..., n, m] of equal leading
 * sizes, by elimination in f64.
 */
export function solve(a: Tensor, b: Tensor, options: ops.SolveParams = {}): Tensor {
  refuseSurplus("solve", 2, arguments);
  return ops.solve(a, b, options);
}
