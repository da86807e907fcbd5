import type { View } from "../../backends/backend.ts";
import { expectDType, type OpDefinition } from "../../engine/op.ts";
import { collapse, forEachRow } from "../../layout/broadcast.ts";
import { broadcastShapes } from "../../layout/shape.ts";

/**
 * Returns the fields of an op definition that elementwise ops on two broadcast f32 tensors have in common: name, arity,
 * shape rule, and the reference implementation `ref` (a plain loop).
 */
export function binary(
  name: string,
  f: (a: number, b: number) => number,
): Pick<OpDefinition<void>, "name" | "shape" | "ref"> & { readonly arity: 2 } {
  return {
    name,
    arity: 2,
    shape: (inputs) => {
      expectDType(name, inputs, 0, "f32");
      expectDType(name, inputs, 1, "f32");
      return { shape: broadcastShapes(name, inputs[0].shape, inputs[1].shape), dtype: "f32" };
    },
    ref: ([a, b]: View[], [out]: View[]) => {
      forEachRow(collapse(out.shape, [a.shape, b.shape]), (o, [i, j], n, [si, sj]) => {
        for (let x = 0; x < n; x++) out.data[o + x] = f(a.data[i + x * si], b.data[j + x * sj]);
      });
    },
  };
}
