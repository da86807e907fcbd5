import fc from "fast-check";
import { expect, test } from "vitest";
import { dynamicMap, encodeBlock, encodeBlocks, onGrid } from "./eightBit.ts";

const { fround } = Math;

/** Returns the code of a value in a block that contains 1, so that the scale is 1. */
function codeOf(x: number, table: Float32Array): number {
  const codes = new Uint8Array(2);
  encodeBlock(Float32Array.of(x, 1), table, codes, 0);
  return codes[0];
}

test.each([true, false])("codes are those of the nearest values, signed: %s", (signed) => {
  const table = dynamicMap({ signed });
  fc.assert(
    fc.property(fc.float({ min: -1, max: 1, noNaN: true }), (x) => {
      const distances = Array.from(table, (value) => Math.abs(fround(x - value)));
      expect(distances[codeOf(x, table)]).toBe(Math.min(...distances));
    }),
  );
  for (const [code, value] of table.entries()) if (value !== 0 || code > 0) expect(codeOf(value, table)).toBe(code);
});

test("of two equally near values the first is taken, and ends are not passed", () => {
  const table = Float32Array.of(-0.5, 0, 0.5, 0.75);
  expect(
    [-1, -0.5, -0.26, -0.25, -0.24, 0.25, 0.26, 0.624, 0.625, 0.626, 0.75, 1].map((x) => codeOf(x, table)),
  ).toEqual([...[0, 0, 0, 0, 1, 1, 2, 2, 2, 3, 3, 3]]);
});

test("blocks are scaled by their largest magnitude, and zeros have the code 0", () => {
  const table = Float32Array.of(-1, -0.5, 0, 0.5, 1);
  const codes = new Uint8Array(8).fill(9);
  expect(encodeBlock(Float32Array.of(4, -8, 0, 2), table, codes, 2)).toBe(8);
  expect([...codes]).toEqual([9, 9, 3, 0, 2, 2, 9, 9]);
  expect(encodeBlock(new Float32Array(2), table, codes, 0)).toBe(0);
  expect([...codes.subarray(0, 2)]).toEqual([0, 0]);
  expect(encodeBlock(Float32Array.of(1, 2), table, codes, 0, (x) => -x)).toBe(2);
  expect([...codes.subarray(0, 2)]).toEqual([1, 0]);
});

test("all blocks are encoded, the last with what is left", () => {
  const table = Float32Array.of(-1, 0, 1);
  const [codes, scales] = [new Uint8Array(7), new Float32Array(3)];
  encodeBlocks(Float32Array.of(1, -2, 3, -30, 20, 0, -5), table, 3, codes, scales);
  expect([...codes]).toEqual([1, 0, 2, 0, 2, 1, 0]);
  expect([...scales]).toEqual([3, 30, 5]);
});

test("the grid has 65536 points from -1 to 1, and none at 0", () => {
  expect([onGrid(-1), onGrid(1)]).toEqual([-1, 1]);
  for (const x of [0, 1e-9, -1e-9]) expect(Math.abs(Math.abs(onGrid(x)) - 1 / 65535)).toBeLessThan(1e-7);
  fc.assert(
    fc.property(fc.float({ min: -1, max: 1, noNaN: true }), (x) => {
      // Half a step, plus the rounding to f32.
      expect(Math.abs(onGrid(x) - x)).toBeLessThanOrEqual(1 / 65535 + 2e-7);
      const at = ((onGrid(x) + 1) * 65535) / 2;
      expect(Math.abs(at - Math.round(at))).toBeLessThan(0.01);
    }),
  );
});
