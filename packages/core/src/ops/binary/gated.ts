import type { TensorSpec } from "../../backends/backend.ts";
import { expectDType } from "../../engine/op.ts";
import { formatShape, sameShape } from "../../layout/shape.ts";

/**
 * Returns the spec of a gated unit's output or gradient. Throws unless all
 * inputs are f32 of one shape.
 */
export function checkGated(op: string, inputs: readonly TensorSpec[]): TensorSpec {
  for (let i = 0; i < inputs.length; i++) {
    expectDType(op, inputs, i, "f32");
    if (!sameShape(inputs[i].shape, inputs[0].shape)) {
      throw new Error(`${op}: shapes ${formatShape(inputs[0].shape)} and ${formatShape(inputs[i].shape)} differ`);
    }
  }
  return { shape: inputs[0].shape, dtype: "f32" };
}
