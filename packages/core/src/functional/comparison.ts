import { full } from "../creation/create.ts";
import { refuseSurplus } from "../engine/op.ts";
import type { Tensor } from "../engine/tensor.ts";
import * as ops from "../ops/index.ts";
import { checkOperands } from "./arithmetic.ts";

type Relation = ops.CompareParams["relation"];

/** For each relation, the equivalent relation with swapped operands: x < y ("lt") is the same as y > x ("gt"). */
const mirrored: Readonly<Record<Relation, Relation>> = { eq: "eq", ne: "ne", lt: "gt", le: "ge", gt: "lt", ge: "le" };

function compare(x: Tensor | number, y: Tensor | number, relation: Relation, behind: readonly unknown[] = []): Tensor {
  checkOperands(relation, x, y, behind);
  if (typeof x === "number") return compare(y, x, mirrored[relation]);
  const other = typeof y === "number" ? full([], y, { dtype: x.dtype, backend: x.storage.backend }) : y;
  return ops.compare(x, other, { relation });
}

/**
 * Returns a bool tensor that is true where x equals y. Both are f32 or both i32, and broadcast; one may be a number.
 */
export function eq(x: number, y: Tensor): Tensor;
export function eq(x: Tensor, y: Tensor | number): Tensor;
export function eq(x: Tensor | number, y: Tensor | number, ...behind: unknown[]): Tensor {
  return compare(x, y, "eq", behind);
}

/**
 * Returns a bool tensor that is true where x differs from y. Both are f32 or both i32, and broadcast; one may be a
 * number.
 */
export function ne(x: number, y: Tensor): Tensor;
export function ne(x: Tensor, y: Tensor | number): Tensor;
export function ne(x: Tensor | number, y: Tensor | number, ...behind: unknown[]): Tensor {
  return compare(x, y, "ne", behind);
}

/**
 * Returns a bool tensor that is true where x is less than y. Both are f32 or both i32, and broadcast; one may be a
 * number.
 */
export function lt(x: number, y: Tensor): Tensor;
export function lt(x: Tensor, y: Tensor | number): Tensor;
export function lt(x: Tensor | number, y: Tensor | number, ...behind: unknown[]): Tensor {
  return compare(x, y, "lt", behind);
}

/**
 * Returns a bool tensor that is true where x is at most y. Both are f32 or both i32, and broadcast; one may be a
 * number.
 */
export function le(x: number, y: Tensor): Tensor;
export function le(x: Tensor, y: Tensor | number): Tensor;
export function le(x: Tensor | number, y: Tensor | number, ...behind: unknown[]): Tensor {
  return compare(x, y, "le", behind);
}

/**
 * Returns a bool tensor that is true where x is greater than y. Both are f32 or both i32, and broadcast; one may be a
 * number.
 */
export function gt(x: number, y: Tensor): Tensor;
export function gt(x: Tensor, y: Tensor | number): Tensor;
export function gt(x: Tensor | number, y: Tensor | number, ...behind: unknown[]): Tensor {
  return compare(x, y, "gt", behind);
}

/**
 * Returns a bool tensor that is true where x is at least y. Both are f32 or both i32, and broadcast; one may be a
 * number.
 */
export function ge(x: number, y: Tensor): Tensor;
export function ge(x: Tensor, y: Tensor | number): Tensor;
export function ge(x: Tensor | number, y: Tensor | number, ...behind: unknown[]): Tensor {
  return compare(x, y, "ge", behind);
}

/**
 * Returns `x` at elements where the bool or u8 `condition` is not 0, and `y` elsewhere, broadcast. `x` or `y` may be a
 * number.
 */
export function where(condition: Tensor, x: Tensor | number, y: Tensor | number): Tensor {
  refuseSurplus("where", 3, arguments);
  const dtype = typeof x !== "number" ? x.dtype : typeof y !== "number" ? y.dtype : "f32";
  const { backend } = condition.storage;
  const lift = (v: Tensor | number) => (typeof v === "number" ? full([], v, { dtype, backend }) : v);
  return ops.where(condition, lift(x), lift(y));
}
