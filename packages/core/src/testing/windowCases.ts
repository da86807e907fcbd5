import * as f from "../functional/index.ts";
import { type Cases, calls, type OpCase, withGradients, x } from "./cases.ts";

type Name =
  | "avgPool1d"
  | "avgPool2d"
  | "avgPool2dBackward"
  | "conv1d"
  | "conv2d"
  | "fold"
  | "maxPool1d"
  | "maxPool2d"
  | "unfold";

const image = x([2, 4, 6, 8]);
const distinct = x([2, 3, 6, 8], { distinctFrom: -9 });
const line = x([2, 4, 11]);
const small = { kernelSize: [3, 2], stride: [2, 2], padding: [1, 0] } as const;
const ties = [0, 1, 1, 1, 0, Number.NaN, -Infinity, -Infinity, 3, -Infinity, -Infinity, 3, 3, -0, 0, 2];

/** Returns test cases of `conv2d` on an image with a bias, one for each weight shape and options. */
function convolutions(...settings: [weight: number[], options: f.Conv2dOptions][]): OpCase[] {
  return settings.flatMap(([weight, options]) =>
    calls([image, x(weight), x([weight[0]])], (t, w, b) => f.conv2d(t, w, b, options)),
  );
}

/** Test cases of functions with sliding windows: convolution, pooling, unfold and fold. */
export const windowCases: Cases<Name> = {
  avgPool1d: calls(
    [line],
    (t) => f.avgPool1d(t, 3),
    (t) => f.avgPool1d(t, 4, { stride: 3, padding: 2, ceilMode: true }),
  ),
  avgPool2d: calls(
    [image],
    (t) => f.avgPool2d(t, 2),
    (t) => f.avgPool2d(t, [3, 4], { stride: [2, 3], padding: [1, 2], countIncludePad: false }),
    (t) => f.avgPool2d(t, 3, { stride: 2, padding: 1, ceilMode: true }),
    (t) => f.avgPool2d(t, [2, 5], { stride: [3, 4], ceilMode: true, countIncludePad: false }),
  ),
  avgPool2dBackward: calls([x([2, 3, 4, 4])], (t) =>
    f.avgPool2dBackward(t, { ...small, ceilMode: true, countIncludePad: false, outputSize: [6, 8] }),
  ),
  conv1d: [
    ...calls([line, x([6, 2, 3]), x([6])], (t, w, b) =>
      f.conv1d(t, w, b, { stride: 2, padding: 3, dilation: 2, groups: 2 }),
    ),
    ...calls([x([4, 11]), x([3, 4, 5])], (t, w) => f.conv1d(t, w)),
  ],
  conv2d: [
    ...convolutions(
      [[5, 4, 3, 3], {}],
      [[5, 4, 1, 1], {}],
      [[5, 4, 3, 2], { stride: [2, 1], padding: [0, 2], dilation: [1, 3] }],
      [[6, 2, 3, 3], { padding: 1, groups: 2 }],
      [[4, 1, 5, 5], { stride: 2, padding: 2, groups: 4 }],
      [[2, 4, 6, 8], {}],
    ),
    ...calls([x([4, 7, 9]), x([5, 4, 3, 3])], (t, w) => f.conv2d(t, w, null, { padding: 1 })),
    ...calls([x([0, 4, 7, 9]), x([5, 4, 3, 3])], (t, w) => f.conv2d(t, w)),
  ],
  fold: [
    ...calls([x([2, 12, 48])], (t) => f.fold(t, [7, 9], 2)),
    ...calls([x([12, 16])], (t) => f.fold(t, [7, 9], [3, 2], { stride: 2, padding: [1, 0], dilation: [1, 2] })),
  ],
  maxPool1d: calls(
    [x([2, 3, 11], { distinctFrom: -4 })],
    (t) => f.maxPool1d(t, 3),
    (t) => f.maxPool1d(t, 4, { stride: 3, padding: 2, ceilMode: true }),
  ),
  maxPool2d: [
    ...calls(
      [distinct],
      (t) => f.maxPool2d(t, 2),
      (t) => f.maxPool2d(t, [3, 4], { stride: [2, 3], padding: [1, 2] }),
      (t) => f.maxPool2d(t, 3, { stride: 2, padding: 1, ceilMode: true }),
    ),
    // Special values, whose gradients finite differences cannot determine.
    ...withGradients(
      [],
      [
        ...calls([x([1, 4, 4], { values: ties })], (t) => f.maxPool2d(t, 2)),
        ...calls([x([1, 3, 3], { values: new Array(9).fill(-Infinity) })], (t) =>
          f.maxPool2d(t, 3, { stride: 1, padding: 1 }),
        ),
      ],
    ),
  ],
  unfold: calls(
    [image],
    (t) => f.unfold(t, 2),
    (t) => f.unfold(t, [3, 2], { stride: [2, 3], padding: [1, 4], dilation: [2, 1] }),
    (t) => f.unfold(t, [1, 12], { padding: [0, 3] }),
  ),
};
