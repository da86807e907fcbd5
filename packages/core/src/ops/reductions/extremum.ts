import type { TensorSpec, View } from "../../backends/backend.ts";
import { defineOp, expectDType, type Op } from "../../engine/op.ts";
import { formatShape } from "../../layout/shape.ts";
import { scatterAdd } from "../shapes/gather.ts";
import { alongDim, withSize } from "../shared/alongDim.ts";
import { composeExtremum } from "./topkComposed.ts";

/**
 * Makes the op `max` or `min` along `dim`. It returns the values and their i32 positions, both with size 1 in `dim`. It
 * selects the first of equal elements, or the first NaN if any element is NaN. The gradient flows to the selected
 * element.
 */
export function extremum(name: "max" | "min", beats: (a: number, b: number) => boolean): Op<1, { dim: number }, 2> {
  return defineOp<1, { dim: number }, 2>({
    name,
    arity: 1,
    shape: (inputs, { dim }): TensorSpec[] => {
      expectDType(name, inputs, 0, "f32");
      const { dim: d, n } = alongDim(name, inputs[0].shape, dim);
      if (n === 0) throw new Error(`${name}: dim ${d} of ${formatShape(inputs[0].shape)} is empty and has no ${name}`);
      const shape = withSize(inputs[0].shape, d, 1);
      return [
        { shape, dtype: "f32" },
        { shape, dtype: "i32" },
      ];
    },
    ref: ([x]: View[], [values, positions]: View[], { dim }) => {
      const { outer, n, inner } = alongDim(name, x.shape, dim);
      for (let lane = 0; lane < outer * inner; lane++) {
        const start = Math.floor(lane / inner) * n * inner + (lane % inner);
        let best = 0;
        for (let j = 1; j < n; j++) {
          const a = x.data[start + j * inner];
          const b = x.data[start + best * inner];
          if (beats(a, b) || (Number.isNaN(a) && !Number.isNaN(b))) best = j;
        }
        values.data[lane] = x.data[start + best * inner];
        positions.data[lane] = best;
      }
    },
    compose: ([x], { dim }) => composeExtremum(name, x, dim),
    saves: { outputs: [1] },
    vjp: ({ grads: [dy], outputs: [, positions], inputSpecs: [x], params: { dim } }) => [
      scatterAdd(dy, positions, { dim, shape: x.shape }),
    ],
  });
}
