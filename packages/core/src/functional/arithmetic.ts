import { refuseSurplus } from "../op.ts";
import * as ops from "../ops/index.ts";
import { scalarLike } from "../ops/scalarLike.ts";
import type { Tensor } from "../tensor.ts";

const asTensor = (b: Tensor | number, like: Tensor): Tensor => (typeof b === "number" ? scalarLike(like, b) : b);

/** x + y, broadcast. */
export function add(x: Tensor, y: Tensor | number): Tensor {
  refuseSurplus("add", 2, arguments);
  return typeof y === "number" ? ops.affine(x, { shift: y }) : ops.add(x, y);
}

/** x - y, broadcast. */
export function sub(x: Tensor, y: Tensor | number): Tensor {
  refuseSurplus("sub", 2, arguments);
  return typeof y === "number" ? ops.affine(x, { shift: -y }) : ops.sub(x, y);
}

/** x * y, broadcast. */
export function mul(x: Tensor, y: Tensor | number): Tensor {
  refuseSurplus("mul", 2, arguments);
  return typeof y === "number" ? ops.affine(x, { scale: y }) : ops.mul(x, y);
}

/** x / y, broadcast. */
export function div(x: Tensor, y: Tensor | number): Tensor {
  refuseSurplus("div", 2, arguments);
  return ops.div(x, asTensor(y, x));
}

/** x to the power y, broadcast. */
export function pow(x: Tensor, y: Tensor | number): Tensor {
  refuseSurplus("pow", 2, arguments);
  if (y === 2) return ops.square(x);
  if (y === 0.5) return ops.sqrt(x);
  if (y === -0.5) return ops.rsqrt(x);
  if (y === -1) return ops.reciprocal(x);
  return ops.pow(x, asTensor(y, x));
}

/** -x. */
export function neg(x: Tensor): Tensor {
  refuseSurplus("neg", 1, arguments);
  return ops.affine(x, { scale: -1 });
}

/** The larger of x and y, broadcast; NaN where either is. Equal operands share the gradient. */
export function maximum(x: Tensor, y: Tensor | number): Tensor {
  refuseSurplus("maximum", 2, arguments);
  return ops.maximum(x, asTensor(y, x));
}

/** The smaller of x and y, broadcast; NaN where either is. Equal operands share the gradient. */
export function minimum(x: Tensor, y: Tensor | number): Tensor {
  refuseSurplus("minimum", 2, arguments);
  return ops.minimum(x, asTensor(y, x));
}
