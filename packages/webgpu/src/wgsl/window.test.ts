import { byteLength, type DType, type Shape, sizeOf } from "@lowrank/core/backend";
import { beforeAll, describe, expect, it } from "vitest";
import type { GpuTensor } from "../kernel/kernel.ts";
import { knowFormats } from "../testing/knowFormats.ts";
import { bytesOf, bytesSeen, inParts, isContiguous, windowOf } from "./window.ts";

beforeAll(knowFormats);

/** A tensor with a separate buffer, whose memory is larger by `more` bytes. */
function tensorOf(shape: Shape, dtype: DType = "f32", more = 0): GpuTensor {
  const bytes = byteLength({ shape, dtype, packing: { blockSize: 64, nested: false } });
  const slab = { id: 0, buffer: {} as never, bytes: bytes + more, lastBatch: -1 };
  return { shape, dtype, size: sizeOf(shape), buffer: { bytes, slab, freed: false } };
}

describe("a view of a tensor's elements", () => {
  it.each([
    ["f32", 4],
    ["f16", 2],
    ["u8", 1],
  ] as const)("of %s begins at a whole 256 bytes, and has no more than it needs", (dtype, each) => {
    const tensor = tensorOf([1000], dtype, 8);
    for (const from of [0, 1, 63, 64, 65, 127, 128, 255, 256, 257, 900]) {
      for (const size of [1, 3, 4, 5, 99, 100]) {
        const { tensor: part, start } = windowOf(tensor, from, [size]);
        const { offset, bytes } = part.window as { offset: number; bytes: number };
        expect(part).toMatchObject({ shape: [size], size, dtype });
        expect(offset % 256).toBe(0);
        expect(offset + start * each, "the place of the first element").toBe(from * each);
        expect(start * each).toBeLessThan(256);
        const end = offset + bytes;
        expect(end).toBeGreaterThanOrEqual((from + size) * each);
        expect(end).toBeLessThan((from + size) * each + 16);
        expect(end).toBeLessThanOrEqual(tensor.buffer.slab.bytes);
        if (end < tensor.buffer.slab.bytes) expect(bytes % 16).toBe(0);
        expect(bytesSeen(part)).toBe(bytes);
      }
    }
  });

  it("of a view counts from where that begins", () => {
    const { tensor: part } = windowOf(tensorOf([1000]), 128, [500]);
    const { tensor: inner, start } = windowOf(part, 70, [10]);
    expect([inner.window, start]).toEqual([{ offset: 512 + 256, bytes: 64 }, 6]);
  });

  it("of packed weights begins with a block", () => {
    // 32 elements of q8_0 are 34 bytes; 4096 are 17 times 256.
    const { tensor: part, start } = windowOf(tensorOf([2, 8192], "q8_0"), 4096, [4096]);
    expect([part.window, start]).toEqual([{ offset: 17 * 256, bytes: 17 * 256 }, 0]);
  });

  it("sees a whole buffer where there is none", () => {
    expect(bytesSeen(tensorOf([10], "f32", 24))).toBe(40);
    expect(bytesOf(tensorOf([10]), 3)).toBe(12);
    expect([isContiguous(tensorOf([10])), isContiguous(tensorOf([1, 64], "nf4"))]).toEqual([true, false]);
  });
});

describe("parts of tensors", () => {
  it("are the tensors where these fit, or cannot be cut", () => {
    const x = tensorOf([100, 10]);
    expect(inParts([x], 4000, 100)).toEqual([{ from: 0, rows: 100, tensors: [x] }]);
    expect(inParts([x], 3999, 100).length).toBeGreaterThan(1);
    // Rows of 4000 bytes.
    const wide = tensorOf([10, 1000]);
    expect(inParts([wide], 2000, 10)).toEqual([{ from: 0, rows: 10, tensors: [wide] }]);
    const packed = tensorOf([100, 64], "nf4");
    expect(inParts([packed], 300, 100)).toHaveLength(1);
    expect(inParts([x, packed], 300, 100)).toHaveLength(1);
    expect(inParts([tensorOf([10]), x], 3999, 10).length).toBeGreaterThan(0);
  });

  it.each([
    [
      [1000, 1],
      [1000, 1],
    ],
    [
      [1000, 3],
      [1000, 5],
    ],
    [
      [960, 16],
      [960, 4],
    ],
    [
      [999, 7],
      [999, 64],
    ],
    [
      [500, 100],
      [500, 1],
    ],
  ])("of %j and %j together are all rows, begin at whole 256 bytes, and fit", (one, two) => {
    const tensors = [tensorOf(one, "f32", 8), tensorOf(two, "f16", 8)];
    const [rows] = one;
    const each = [4 * one[1], 2 * two[1]];
    for (const most of [2048, 3000, 16384, 40000]) {
      if (tensors.every((tensor) => bytesSeen(tensor) <= most)) continue;
      // The least number of rows whose size is a multiple of 256 bytes in both.
      let step = 1;
      while (each.some((bytes) => (step * bytes) % 256 !== 0)) step++;
      const largest = Math.max(...each);
      const parts = inParts(tensors, most, rows);
      if (step * largest > most - 16) {
        expect(parts).toHaveLength(1);
        continue;
      }
      let next = 0;
      for (const { from, rows: count, tensors: made } of parts) {
        expect(from).toBe(next);
        next += count;
        for (const [i, part] of made.entries()) {
          expect(part.window?.offset).toBe(from * each[i]);
          expect(part.size).toBe((count * each[i]) / [4, 2][i]);
          expect(bytesSeen(part)).toBeLessThanOrEqual(most);
        }
      }
      expect(next).toBe(rows);
      // No part can have more rows.
      const [{ rows: most1 }] = parts;
      expect(most1 % step).toBe(0);
      if (parts.length > 1) expect((most1 + step) * largest).toBeGreaterThan(most - 16);
    }
  });
});
