import type { TensorSpec } from "../../backends/backend.ts";
import { expectDType } from "../../engine/op.ts";
import { dtypes, isFloating, isPacked } from "../../layout/dtype.ts";

/** The dtypes in which a weight may be stored: floating and packed ones. */
const weightDTypes = dtypes.filter((dtype) => isFloating(dtype) || isPacked(dtype));

/** Throws unless input `i` of `op` has a dtype that weights can have: a float dtype or a packed one. */
export function expectWeight(op: string, inputs: readonly TensorSpec[], i: number): void {
  expectDType(op, inputs, i, ...weightDTypes);
}
