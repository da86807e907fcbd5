import { scope } from "../../engine/scope.ts";
import type { Tensor } from "../../engine/tensor.ts";
import { add } from "../binary/add.ts";
import { to, widen } from "../unary/to.ts";

/** Returns a + b for two gradients of the same tensor, in their dtype. f16 and bf16 are added in f32, then rounded. */
export function addGradients(a: Tensor, b: Tensor): Tensor {
  const { dtype } = a;
  return dtype === "f32" ? add(a, b) : scope(() => to(add(widen(a), widen(b)), { dtype }));
}
