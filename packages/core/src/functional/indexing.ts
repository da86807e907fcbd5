import { refuseSurplus } from "../op.ts";
import * as ops from "../ops/index.ts";
import { scope } from "../scope.ts";
import { normalizeDim } from "../shape.ts";
import type { Tensor } from "../tensor.ts";

/** x with each element of `source` added at its i32 `index` along `dim`. */
export function scatterAdd(x: Tensor, index: Tensor, source: Tensor, { dim }: { dim: number }): Tensor {
  refuseSurplus("scatterAdd", 3, arguments);
  return scope(() => ops.add(x, ops.scatterAdd(source, index, { dim, shape: x.shape })));
}

/** x with each entry of `source` along `dim` added to the entry that the 1-D i32 `index` names. */
export function indexAdd(x: Tensor, index: Tensor, source: Tensor, { dim }: { dim: number }): Tensor {
  refuseSurplus("indexAdd", 3, arguments);
  const size = x.shape[normalizeDim("indexAdd", dim, x.ndim)];
  return scope(() => ops.add(x, ops.indexAdd(source, index, { dim, size })));
}
