import type { View } from "../../backends/backend.ts";
import { expectDType, type OpDefinition } from "../../engine/op.ts";

/**
 * Returns the fields of an op definition that elementwise ops on one f32 tensor have in common: name, arity, shape
 * rule, and the reference implementation `ref` (a plain loop).
 */
export function unary(
  name: string,
  f: (x: number) => number,
): Pick<OpDefinition<void>, "name" | "shape" | "ref"> & { readonly arity: 1 } {
  return {
    name,
    arity: 1,
    shape: (inputs) => {
      expectDType(name, inputs, 0, "f32");
      return { shape: inputs[0].shape, dtype: "f32" };
    },
    ref: ([x]: View[], [out]: View[]) => {
      for (let i = 0; i < out.size; i++) out.data[i] = f(x.data[i]);
    },
  };
}
