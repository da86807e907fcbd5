import { scope } from "../scope.ts";
import type { Tensor } from "../tensor.ts";
import { add } from "./add.ts";
import { to, widen } from "./to.ts";

/**
 * Returns a + b for two gradients of one tensor, in its dtype: half precision is
 * added in f32 and rounded.
 */
export function addGradients(a: Tensor, b: Tensor): Tensor {
  const { dtype } = a;
  return dtype === "f32" ? add(a, b) : scope(() => to(add(widen(a), widen(b)), { dtype }));
}
