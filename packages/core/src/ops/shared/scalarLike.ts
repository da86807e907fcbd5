import { full } from "../../creation/create.ts";
import type { Tensor } from "../../engine/tensor.ts";

/** Returns an f32 scalar on the backend of `t`. */
export function scalarLike(t: Tensor, value: number): Tensor {
  return full([], value, { backend: t.storage.backend });
}
