import type { Tensor } from "../engine/tensor.ts";
import * as f from "../functional/index.ts";
import { type Cases, calls, type OpCase, withGradients, x } from "./cases.ts";
import type { Input } from "./input.ts";

type Name =
  | "adagradStep"
  | "adamStep"
  | "adamStep8bit"
  | "addInto"
  | "cacheWrite"
  | "clipToNorm"
  | "copyInto"
  | "gradNorm"
  | "pagedWrite"
  | "rmspropStep"
  | "scaleInPlace"
  | "lionStep"
  | "sgdStep";

const same = [x([5, 7]), x([5, 7])];
const bools: Input = { shape: [3, 7], dtype: "bool" };
const stepInputs = [x([5, 7]), x([5, 7]), x([5, 7]), x([5, 7], { low: 0, high: 2 })];
const adam = { lr: 0.05, beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.1, step: 3 };
const lion = { lr: 0.05, beta1: 0.9, beta2: 0.99, weightDecay: 0.1 };
const sgd = { lr: 0.1, weightDecay: 0.01, momentum: 0.9, dampening: 0, nesterov: true, first: false };

/**
 * Returns a test case of a function that writes into its inputs. The inputs at the positions `written` count as
 * results.
 */
function inPlace(
  inputs: readonly Input[],
  f: (...inputs: Tensor[]) => unknown,
  written: readonly number[] = [0],
): OpCase {
  const run = (tensors: Tensor[]) => {
    f(...tensors);
    return written.map((i) => tensors[i].detach());
  };
  return { inputs, run, gradients: [] };
}

/**
 * Returns test cases of an optimiser step with a guard: "obey" with a finite and with a non-finite guard, and "test"
 * with a finite step and with one that the huge learning rate `wild` makes non-finite. The guard and all tensors that
 * the step may write count as results.
 */
function guarded(
  inputs: readonly Input[],
  step: (tensors: Tensor[], guard: { guard: "obey" | "test"; lr?: number }) => unknown,
): OpCase[] {
  const wild = 1e39;
  const cases: [values: number[], params: { guard: "obey" | "test"; lr?: number }][] = [
    [[1, 2, 0], { guard: "obey" }],
    [[1, Number.NaN, 0], { guard: "obey" }],
    [[Infinity, 1, 0], { guard: "obey" }],
    [[1, 2, 0], { guard: "test" }],
    [[1, 2, 0], { guard: "test", lr: wild }],
  ];
  return cases.map(([values, params]) => {
    const all = [...inputs, x([3], { values })];
    return inPlace(all, (...tensors) => step(tensors, params), Array.from(all.keys()));
  });
}

/** Test cases of functions that write into their inputs, and of `gradNorm` and `clipToNorm`. */
export const inPlaceCases: Cases<Name> = {
  adagradStep: [
    inPlace(
      stepInputs.slice(1),
      (p, g, s) => f.adagradStep(p, g, s, { lr: 0.1, weightDecay: 0.1, eps: 1e-10 }),
      [0, 2],
    ),
    ...guarded(stepInputs.slice(1), (t, guard) =>
      f.adagradStep(...t, { lr: 0.1, weightDecay: 0.1, eps: 1e-10, ...guard }),
    ),
  ],
  adamStep: [true, false].flatMap((decoupled) => [
    inPlace(stepInputs, (p, g, m, v) => f.adamStep(p, g, m, v, { ...adam, decoupled }), [0, 2, 3]),
    inPlace(
      [[3], [0], [2, 1100], [], [1024]].flatMap((shape) => {
        return [x(shape), x(shape), x(shape), x(shape, { low: 0, high: 2 })];
      }),
      (...t) => f.adamStep(...t, { ...adam, decoupled }),
      [0, 2, 3, 4, 6, 7, 8, 10, 11, 12, 14, 15, 16, 18, 19],
    ),
    ...guarded([...stepInputs, ...stepInputs.map((input) => ({ ...input, shape: [1025] }))], (t, guard) =>
      f.adamStep(...t, { ...adam, decoupled, ...guard }),
    ),
  ]),
  adamStep8bit: [[], [7], [40, 13]].flatMap((shape) => {
    const blocks = Math.ceil(shape.reduce((a, b) => a * b, 1) / 256);
    const scale = x([blocks], { low: 0.1, high: 2 });
    const codes: Input = { shape, dtype: "u8", high: 256 };
    const table = (low: number): Input =>
      x([256], { values: Array.from({ length: 256 }, (_, i) => low + ((1 - low) * i) / 255) });
    const inputs = [x(shape), x(shape), codes, codes, scale, scale, table(-1), table(0)];
    return [
      inPlace(inputs, (...t) => f.adamStep8bit(...t, adam), [0, 2, 3, 4, 5]),
      ...guarded(inputs, (t, guard) => f.adamStep8bit(...t, { ...adam, ...guard })),
    ];
  }),
  addInto: [inPlace(same, (s, t) => f.addInto(s, t, { alpha: 0.3 }))],
  cacheWrite: [
    inPlace([x([2, 9, 3, 4]), x([2, 2, 3, 4])], (cache, rows) => f.cacheWrite(cache, rows, { position: 5 })),
    inPlace([x([2, 9, 3, 4]), x([2, 2, 3, 4])], (cache, rows) => f.cacheWrite(cache, rows, { position: [0, 7] })),
  ],
  clipToNorm: [
    inPlace([x([5, 7]), x([], { values: [4] })], (t, norm) => f.clipToNorm(t, norm, { maxNorm: 1.5 })),
    ...[1.5, 5].map((maxNorm) =>
      inPlace(
        [x([3]), x([0]), x([2, 1100]), x([]), x([], { values: [4] })],
        (...t) => f.clipToNorm(...t, { maxNorm }),
        [0, 1, 2, 3],
      ),
    ),
  ],
  copyInto: [inPlace(same, (s, t) => f.copyInto(s, t)), inPlace([bools, bools], (s, t) => f.copyInto(s, t))],
  gradNorm: withGradients(
    [],
    [
      [x([5, 7]), x([3])],
      [x([0]), x([3, 1000]), x([]), x([1024])],
    ].flatMap((inputs) => calls(inputs, (...t) => f.gradNorm(...t))),
  ),
  pagedWrite: [
    inPlace([x([3, 4, 2, 5]), x([4, 2, 5]), { shape: [4], dtype: "i32", values: [9, 0, 11, 4] }], (pool, rows, slots) =>
      f.pagedWrite(pool, rows, slots),
    ),
    inPlace([x([3, 4, 5]), x([0, 5]), { shape: [0], dtype: "i32" }], (pool, rows, slots) =>
      f.pagedWrite(pool, rows, slots),
    ),
  ],
  lionStep: [
    inPlace(stepInputs.slice(1), (p, g, m) => f.lionStep(p, g, m, lion), [0, 2]),
    ...guarded(stepInputs.slice(1), (t, guard) => f.lionStep(...t, { ...lion, ...guard })),
  ],
  rmspropStep: [
    inPlace(
      stepInputs,
      (p, g, b, m) => f.rmspropStep(p, g, m, b, { lr: 0.01, weightDecay: 0.1, alpha: 0.9, eps: 1e-8, momentum: 0.5 }),
      [0, 2, 3],
    ),
    inPlace(
      stepInputs.slice(1),
      (p, g, m) => f.rmspropStep(p, g, m, { lr: 0.01, weightDecay: 0, alpha: 0.9, eps: 1e-8, momentum: 0 }),
      [0, 2],
    ),
    ...guarded(stepInputs, (t, guard) =>
      f.rmspropStep(...t, { lr: 0.01, weightDecay: 0.1, alpha: 0.9, eps: 1e-8, momentum: 0.5, ...guard }),
    ),
  ],
  scaleInPlace: [inPlace([x([5, 7])], (t) => f.scaleInPlace(t, { factor: -0.3 }))],
  sgdStep: [
    inPlace(stepInputs.slice(1), (p, g, b) => f.sgdStep(p, g, b, sgd), [0, 2]),
    inPlace(stepInputs.slice(2), (p, g) => f.sgdStep(p, g, { ...sgd, momentum: 0, nesterov: false })),
    ...guarded(stepInputs.slice(1), (t, guard) => f.sgdStep(...t, { ...sgd, ...guard })),
    ...guarded(stepInputs.slice(2), (t, guard) => f.sgdStep(...t, { ...sgd, momentum: 0, nesterov: false, ...guard })),
  ],
};
