import { describe, expect, it, test } from "vitest";
import { collapse, forEachOuter, forEachPlane, forEachRow } from "./broadcast.ts";
import {
  broadcastShapes,
  broadcastStrides,
  checkShape,
  formatShape,
  normalizeDim,
  type Shape,
  sameShape,
  sizeOf,
  stridesOf,
} from "./shape.ts";

test("shapes have sizes, strides and texts", () => {
  expect([[], [3], [2, 3, 4], [2, 0, 4]].map(sizeOf)).toEqual([1, 3, 24, 0]);
  expect([[], [3], [2, 3, 4], [5, 1]].map(stridesOf)).toEqual([[], [1], [12, 4, 1], [1, 1]]);
  expect([[], [3], [2, 3]].map(formatShape)).toEqual(["[]", "[3]", "[2,3]"]);
});

test("shapes are the same where all sizes are", () => {
  expect(sameShape([], [])).toBe(true);
  expect(sameShape([2, 3], [2, 3])).toBe(true);
  for (const [a, b] of [
    [
      [2, 3],
      [2, 4],
    ],
    [
      [2, 3],
      [3, 3],
    ],
    [[2], [2, 1]],
    [[], [1]],
  ]) {
    expect(sameShape(a, b)).toBe(false);
    expect(sameShape(b, a)).toBe(false);
  }
});

test("dimensions count from both ends", () => {
  expect([-3, -1, 0, 2].map((dim) => normalizeDim("sum", dim, 3))).toEqual([0, 2, 0, 2]);
  for (const dim of [-4, 3, 0.5]) {
    expect(() => normalizeDim("sum", dim, 3)).toThrow(`sum: dim ${dim} is out of range for 3 dimensions; use -3..2`);
  }
});

test("sizes are integers of at least 0", () => {
  checkShape("zeros", [0, 1, 2]);
  for (const size of [-1, 0.5, Number.NaN]) {
    expect(() => checkShape("zeros", [2, size])).toThrow(`zeros: shape [2,${size}] holds ${size}; sizes are integers`);
  }
});

test.each<[Shape, Shape, Shape]>([
  [[], [], []],
  [[2, 3], [], [2, 3]],
  [[3], [2, 3], [2, 3]],
  [
    [2, 1],
    [1, 3],
    [2, 3],
  ],
  [
    [4, 1, 5],
    [2, 1],
    [4, 2, 5],
  ],
  [[1], [0], [0]],
])("%j and %j are broadcast to %j", (a, b, wanted) => {
  expect(broadcastShapes("add", a, b)).toEqual(wanted);
  expect(broadcastShapes("add", b, a)).toEqual(wanted);
});

test("sizes that differ are not broadcast unless one is 1", () => {
  for (const [a, b] of [
    [[2], [3]],
    [[2, 3], [2]],
    [[0], [2]],
  ]) {
    expect(() => broadcastShapes("add", a, b)).toThrow(/^add: cannot broadcast .* differ and neither is 1/);
  }
});

test("repeated dimensions have the stride 0", () => {
  expect(broadcastStrides([3], [2, 3])).toEqual([0, 1]);
  expect(broadcastStrides([2, 1], [2, 3])).toEqual([1, 0]);
  expect(broadcastStrides([1, 1], [1, 1])).toEqual([1, 1]);
  expect(broadcastStrides([2, 3], [2, 3])).toEqual([3, 1]);
  expect(broadcastStrides([], [2, 3])).toEqual([0, 0]);
  expect(broadcastStrides([1, 3], [2, 4, 3])).toEqual([0, 0, 1]);
  expect(broadcastStrides([2, 1], [3, 2, 4])).toEqual([0, 1, 0]);
});

/** Returns the offsets into each operand for all elements of `target`, by definition. */
function offsetsOf(target: Shape, operands: readonly Shape[]): number[][] {
  const strides = stridesOf(target);
  return Array.from({ length: sizeOf(target) }, (_, i) =>
    operands.map((shape) =>
      broadcastStrides(shape, target).reduce((sum, s, d) => sum + s * (Math.floor(i / strides[d]) % target[d]), 0),
    ),
  );
}

describe("a broadcast traversal", () => {
  const cases: [Shape, Shape[]][] = [
    [
      [2, 3, 4],
      [
        [2, 3, 4],
        [2, 3, 4],
      ],
    ],
    [
      [2, 3, 4],
      [[2, 3, 4], [4]],
    ],
    [
      [2, 3, 4],
      [
        [3, 1],
        [2, 1, 4],
      ],
    ],
    [
      [2, 3, 4],
      [
        [2, 1, 1],
        [3, 4],
      ],
    ],
    [
      [2, 1, 3, 2],
      [
        [2, 1, 3, 2],
        [1, 1, 1, 2],
      ],
    ],
    [[5], [[1], [5]]],
    [[], [[], []]],
    [
      [1, 1],
      [[1], [1, 1]],
    ],
    [
      [2, 3, 2, 2],
      [
        [3, 1, 2],
        [2, 1, 2, 1],
      ],
    ],
  ];

  it.each(cases)("of %j with %j meets each element in order, by rows, planes and steps", (target, operands) => {
    const wanted = offsetsOf(target, operands);
    const traversal = collapse(target, operands);
    const byRows: number[][] = [];
    forEachRow(traversal, (out, offsets, length, inner) => {
      expect(out).toBe(byRows.length);
      for (let i = 0; i < length; i++) byRows.push(offsets.map((offset, k) => offset + i * inner[k]));
    });
    expect(byRows).toEqual(wanted);
    const byPlanes: number[][] = [];
    forEachPlane(traversal, (out, offsets, { rows, length, row, inner }) => {
      expect(out).toBe(byPlanes.length);
      for (let r = 0; r < rows; r++) {
        for (let i = 0; i < length; i++) byPlanes.push(offsets.map((offset, k) => offset + r * row[k] + i * inner[k]));
      }
    });
    expect(byPlanes).toEqual(wanted);
    const bySteps: number[][] = [];
    forEachOuter(traversal, 0, (_, offsets) => bySteps.push([...offsets]));
    expect(bySteps).toEqual(wanted);
  });

  it("merges dimensions along which all operands step evenly, and leaves out those of size 1", () => {
    expect(
      collapse(
        [2, 3, 4],
        [
          [2, 3, 4],
          [2, 3, 4],
        ],
      ),
    ).toEqual({ sizes: [24], strides: [[1], [1]] });
    expect(collapse([2, 3, 4], [[2, 3, 4], [4]])).toEqual({
      sizes: [6, 4],
      strides: [
        [4, 1],
        [0, 1],
      ],
    });
    expect(collapse([2, 3, 4], [[2, 1, 1], []])).toEqual({
      sizes: [2, 12],
      strides: [
        [1, 0],
        [0, 0],
      ],
    });
    expect(collapse([2, 1, 4], [[2, 1, 4]])).toEqual({ sizes: [8], strides: [[1]] });
    expect(collapse([1, 1], [[1]])).toEqual({ sizes: [1], strides: [[0]] });
  });

  it("meets nothing where a size is 0", () => {
    forEachRow(collapse([2, 0, 3], [[2, 0, 3], [3]]), () => expect.fail("there is no element"));
  });
});
