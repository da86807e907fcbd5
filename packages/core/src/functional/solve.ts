import { refuseSurplus } from "../engine/op.ts";
import type { Tensor } from "../engine/tensor.ts";
import * as ops from "../ops/index.ts";

// This function is not in products.ts: bundlers place whole modules, and most pages need products but not this op.

/**
 * Solves A X = B for X (Aᵀ X = B with `transposeA`), by elimination in f64. A is [..., n, n] and B is [..., n, m], with
 * equal leading sizes.
 */
export function solve(a: Tensor, b: Tensor, options: ops.SolveParams = {}): Tensor {
  refuseSurplus("solve", 2, arguments);
  return ops.solve(a, b, options);
}
