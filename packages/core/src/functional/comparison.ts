import { full } from "../create.ts";
import { refuseSurplus } from "../op.ts";
import * as ops from "../ops/index.ts";
import type { Tensor } from "../tensor.ts";

function compare(x: Tensor, y: Tensor | number, relation: ops.CompareParams["relation"]): Tensor {
  const other = typeof y === "number" ? full([], y, { dtype: x.dtype, backend: x.storage.backend }) : y;
  return ops.compare(x, other, { relation });
}

/** Returns a bool tensor that is true where x equals y; f32 or i32, broadcast. */
export function eq(x: Tensor, y: Tensor | number): Tensor {
  refuseSurplus("eq", 2, arguments);
  return compare(x, y, "eq");
}

/** Returns a bool tensor that is true where x differs from y; f32 or i32, broadcast. */
export function ne(x: Tensor, y: Tensor | number): Tensor {
  refuseSurplus("ne", 2, arguments);
  return compare(x, y, "ne");
}

/** Returns a bool tensor that is true where x is less than y; f32 or i32, broadcast. */
export function lt(x: Tensor, y: Tensor | number): Tensor {
  refuseSurplus("lt", 2, arguments);
  return compare(x, y, "lt");
}

/** Returns a bool tensor that is true where x is at most y; f32 or i32, broadcast. */
export function le(x: Tensor, y: Tensor | number): Tensor {
  refuseSurplus("le", 2, arguments);
  return compare(x, y, "le");
}

/** Returns a bool tensor that is true where x is greater than y; f32 or i32, broadcast. */
export function gt(x: Tensor, y: Tensor | number): Tensor {
  refuseSurplus("gt", 2, arguments);
  return compare(x, y, "gt");
}

/** Returns a bool tensor that is true where x is at least y; f32 or i32, broadcast. */
export function ge(x: Tensor, y: Tensor | number): Tensor {
  refuseSurplus("ge", 2, arguments);
  return compare(x, y, "ge");
}

/**
 * `x` where the bool or u8 `condition` is not 0, `y` elsewhere, broadcast. One of
 * them at least is a tensor.
 */
export function where(condition: Tensor, x: Tensor | number, y: Tensor | number): Tensor {
  refuseSurplus("where", 3, arguments);
  const dtype = typeof x !== "number" ? x.dtype : typeof y !== "number" ? y.dtype : "f32";
  const { backend } = condition.storage;
  const lift = (v: Tensor | number) => (typeof v === "number" ? full([], v, { dtype, backend }) : v);
  return ops.where(condition, lift(x), lift(y));
}
