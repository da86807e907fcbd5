import { expect, test } from "vitest";
import { blockFormats } from "./index.ts";
import { supportsInt8Activations } from "./supportsInt8Activations.ts";

const packing = { blockSize: 64, nested: false };

test("formats of integer codes are multiplied by bytes, whatever their rows", () => {
  for (const { dtype, block } of Object.values(blockFormats)) {
    expect(supportsInt8Activations({ dtype, shape: [2, block.elements] })).toBe(true);
    expect(supportsInt8Activations({ dtype, shape: [2, 65536] })).toBe(true);
  }
});

test("nf4 and fp4 are if rows and blocks are whole blocks of 32, and rows at most 32768 long", () => {
  for (const dtype of ["nf4", "fp4"] as const) {
    const meets = (columns: number, blockSize = 64) =>
      supportsInt8Activations({ dtype, shape: [3, columns], packing: { ...packing, blockSize } });
    expect([32, 64, 32768].map((columns) => meets(columns))).toEqual([true, true, true]);
    expect([16, 33, 48, 32769, 32800, 65536].map((columns) => meets(columns))).toEqual(Array(6).fill(false));
    expect([16, 31, 32, 4096].map((blockSize) => meets(64, blockSize))).toEqual([false, false, true, true]);
    expect(supportsInt8Activations({ dtype, shape: [3, 64] })).toBe(false);
  }
});

test("other dtypes are not", () => {
  for (const dtype of ["f32", "f16", "bf16", "i32", "u8", "bool"] as const) {
    expect(supportsInt8Activations({ dtype, shape: [3, 64] })).toBe(false);
    expect(supportsInt8Activations({ dtype, shape: [3, 64], packing })).toBe(false);
  }
});
