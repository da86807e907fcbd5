import { scope } from "../../engine/scope.ts";
import type { Tensor } from "../../engine/tensor.ts";
import { add } from "../binary/add.ts";
import { to, widen } from "../unary/to.ts";

/**
 * Returns a + b for two gradients of one tensor, in its dtype: half precision is
 * added in f32 and rounded.
 */
export function addGradients(a: Tensor, b: Tensor): Tensor {
  const { dtype } = a;
  return dtype === "f32" ? add(a, b) : scope(() => to(add(widen(a), widen(b)), { dtype }));
}
