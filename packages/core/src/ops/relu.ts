import { defineOp, type Op } from "../op.ts";
import { compare } from "./compare.ts";
import { maximum } from "./maximum.ts";
import { scalarLike } from "./scalarLike.ts";
import { unary } from "./unary.ts";
import { where } from "./where.ts";

/** x where positive, 0 elsewhere; its gradient at 0 is 0, and NaN passes. */
export const relu: Op<1> = defineOp({
  ...unary("relu", (x) => Math.max(x, 0)),
  compose: ([x]) => maximum(x, scalarLike(x, 0)),
  saves: { outputs: [0] },
  vjp: ({ grads: [dy], outputs: [y] }) => [
    where(compare(y, scalarLike(y, 0), { relation: "le" }), scalarLike(dy, 0), dy),
  ],
});
