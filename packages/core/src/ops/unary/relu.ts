import { scalarLike } from "../../creation/create.ts";
import { defineOp, type Op } from "../../engine/op.ts";
import { compare } from "../binary/compare.ts";
import { maximum } from "../binary/maximum.ts";
import { where } from "../binary/where.ts";
import { unary } from "./unary.ts";

/** Returns x if positive, else 0. Its gradient at 0 is 0, and NaN stays NaN. */
export const relu: Op<1> = defineOp({
  ...unary("relu", (x) => Math.max(x, 0)),
  compose: ([x]) => maximum(x, scalarLike(x, 0)),
  saves: { outputs: [0] },
  vjp: ({ grads: [dy], outputs: [y] }) => [
    where(compare(y, scalarLike(y, 0), { relation: "le" }), scalarLike(dy, 0), dy),
  ],
});
