import { scalarLike } from "../creation/create.ts";
import { refuseOptions, refuseSurplus } from "../engine/op.ts";
import type { Tensor } from "../engine/tensor.ts";
import * as ops from "../ops/index.ts";

const asTensor = (b: Tensor | number, like: Tensor): Tensor => (typeof b === "number" ? scalarLike(like, b) : b);

/** Returns x + y, broadcast. One operand may be a number. */
export function add(x: number, y: Tensor): Tensor;
export function add(x: Tensor, y: Tensor | number): Tensor;
export function add(x: Tensor | number, y: Tensor | number, ...behind: unknown[]): Tensor {
  checkOperands("add", x, y, behind);
  if (typeof x === "number") return ops.affine(y as Tensor, { shift: x });
  return typeof y === "number" ? ops.affine(x, { shift: y }) : ops.add(x, y);
}

/** Returns x - y, broadcast. One operand may be a number. */
export function sub(x: number, y: Tensor): Tensor;
export function sub(x: Tensor, y: Tensor | number): Tensor;
export function sub(x: Tensor | number, y: Tensor | number, ...behind: unknown[]): Tensor {
  checkOperands("sub", x, y, behind);
  if (typeof x === "number") return ops.affine(y as Tensor, { scale: -1, shift: x });
  return typeof y === "number" ? ops.affine(x, { shift: -y }) : ops.sub(x, y);
}

/** Returns x * y, broadcast. One operand may be a number. */
export function mul(x: number, y: Tensor): Tensor;
export function mul(x: Tensor, y: Tensor | number): Tensor;
export function mul(x: Tensor | number, y: Tensor | number, ...behind: unknown[]): Tensor {
  checkOperands("mul", x, y, behind);
  if (typeof x === "number") return ops.affine(y as Tensor, { scale: x });
  return typeof y === "number" ? ops.affine(x, { scale: y }) : ops.mul(x, y);
}

/** Returns x / y, broadcast. One operand may be a number. */
export function div(x: number, y: Tensor): Tensor;
export function div(x: Tensor, y: Tensor | number): Tensor;
export function div(x: Tensor | number, y: Tensor | number, ...behind: unknown[]): Tensor {
  checkOperands("div", x, y, behind);
  if (typeof x === "number") return ops.div(scalarLike(y as Tensor, x), y as Tensor);
  return ops.div(x, asTensor(y, x));
}

/** Returns x to the power y, broadcast. One operand may be a number. */
export function pow(x: number, y: Tensor): Tensor;
export function pow(x: Tensor, y: Tensor | number): Tensor;
export function pow(x: Tensor | number, y: Tensor | number, ...behind: unknown[]): Tensor {
  checkOperands("pow", x, y, behind);
  if (typeof x === "number") return ops.pow(scalarLike(y as Tensor, x), y as Tensor);
  if (y === 2) return ops.square(x);
  if (y === 0.5) return ops.sqrt(x);
  if (y === -1) return ops.reciprocal(x);
  return typeof y === "number" ? ops.powScalar(x, { exponent: y }) : ops.pow(x, y);
}

/** Returns -x. */
export function neg(x: Tensor): Tensor {
  refuseSurplus("neg", 1, arguments);
  return ops.affine(x, { scale: -1 });
}

/** Returns the larger of x and y, broadcast; NaN if either is NaN. Equal operands share the gradient. */
export function maximum(x: number, y: Tensor): Tensor;
export function maximum(x: Tensor, y: Tensor | number): Tensor;
export function maximum(x: Tensor | number, y: Tensor | number, ...behind: unknown[]): Tensor {
  checkOperands("maximum", x, y, behind);
  if (typeof x === "number") return ops.maximum(scalarLike(y as Tensor, x), y as Tensor);
  return ops.maximum(x, asTensor(y, x));
}

/** Returns the smaller of x and y, broadcast; NaN if either is NaN. Equal operands share the gradient. */
export function minimum(x: number, y: Tensor): Tensor;
export function minimum(x: Tensor, y: Tensor | number): Tensor;
export function minimum(x: Tensor | number, y: Tensor | number, ...behind: unknown[]): Tensor {
  checkOperands("minimum", x, y, behind);
  if (typeof x === "number") return ops.minimum(scalarLike(y as Tensor, x), y as Tensor);
  return ops.minimum(x, asTensor(y, x));
}

/** Throws if both operands are numbers, or if there are further arguments (`behind`) after them. */
export function checkOperands(name: string, x: Tensor | number, y: Tensor | number, behind: readonly unknown[]): void {
  if (behind.length > 0) {
    refuseSurplus(name, 2, [x, y, ...behind]);
    refuseOptions(name, behind[0]);
  }
  if (typeof x === "number" && typeof y === "number") {
    throw new Error(`${name}: ${x} and ${y} are both numbers; one operand must be a tensor, as tensor(${x})`);
  }
}
