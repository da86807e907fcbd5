import { expect, test } from "vitest";
import { relativeRows } from "./positions.ts";

// The expected values come from `build_relative_position` of transformers 5.24.
test.each([
  [0, 20, [11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0], [0, -1, -2, -3, -4, -5, -6, -7, -8, -9, -10, -11]],
  [4, 8, [4, 4, 4, 4, 3, 3, 3, 3, 3, 2, 1, 0], [0, -1, -2, -3, -3, -3, -3, -3, -4, -4, -4, -4]],
  [8, 12, [7, 7, 7, 7, 6, 6, 5, 4, 3, 2, 1, 0], [0, -1, -2, -3, -4, -5, -6, -6, -7, -7, -7, -7]],
  [6, 40, [5, 4, 4, 4, 4, 4, 4, 4, 3, 2, 1, 0], [0, -1, -2, -3, -4, -4, -4, -4, -4, -4, -4, -5]],
])("%d buckets up to the position %d", (positionBuckets, maxRelativePositions, last, first) => {
  const span = 20;
  const rows = Array.from(relativeRows(12, { span, positionBuckets, maxRelativePositions }), (row) => row - span);
  expect(rows.slice(-12)).toEqual(last);
  expect(rows.slice(0, 12)).toEqual(first);
  // Each row equals the row before, shifted by one token.
  for (let at = 0; at < 143 - 12; at++) if (at % 12 < 11) expect(rows[at + 13]).toBe(rows[at]);
});

test("256 buckets of 512 positions", () => {
  const [T, span] = [600, 256];
  const rows = relativeRows(T, { span, positionBuckets: 256, maxRelativePositions: 512 });
  const every = (from: number) => Array.from({ length: 12 }, (_, i) => rows[from + 50 * i] - span);
  // Indices beyond the table are clamped to its first or last row.
  expect(every(T * (T - 1))).toEqual([255, 255, 253, 244, 233, 221, 206, 190, 169, 142, 99, 49]);
  expect(every(0)).toEqual([0, -50, -100, -143, -169, -190, -207, -221, -233, -244, -254, -256]);
});

test("a row is from 0 to twice the span, less one", () => {
  const rows = Array.from(relativeRows(5, { span: 2, positionBuckets: 0, maxRelativePositions: 2 }));
  expect(rows.slice(0, 5)).toEqual([2, 1, 0, 0, 0]);
  expect(rows.slice(-5)).toEqual([3, 3, 3, 3, 2]);
});
