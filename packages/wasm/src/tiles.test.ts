import type { Kernels } from "@lowrank/core";
import { describe, expect, test } from "vitest";
import { heapBase, relaxedBase64, relaxedFlagOffset, simdBase64, simdFlagOffset } from "./kernels.gen.ts";

// What packs the left side of products ahead has to pack it for the tile that is set: `gemm` itself is tried by gemm.test.ts.

const builds: [name: string, base64: string, flagOffset: number][] = [
  ["simd", simdBase64, simdFlagOffset],
  ["relaxed", relaxedBase64, relaxedFlagOffset],
];
const [rows, width, classes, parts] = [23, 40, 77, 2];

/** The largest logits, masses and sums of a linear cross-entropy with one tile. */
async function crossEntropyParts(base64: string, flagOffset: number, tile: number): Promise<Float32Array> {
  const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  bytes[flagOffset] = 1;
  const memory = new WebAssembly.Memory({ initial: 256, maximum: 256 });
  const { instance } = await WebAssembly.instantiate(bytes, { env: { memory } });
  const k = instance.exports as unknown as Kernels;
  let end = Math.ceil(heapBase / 64) * 64;
  const take = (size: number): number => {
    const at = end;
    end += Math.ceil(size / 64) * 64;
    return at;
  };
  k.setScratch(take(k.scratchBytes()));
  k.setTile(tile);
  const numbers = (count: number, step: number): number => {
    const at = take(4 * count);
    new Float32Array(memory.buffer, at, count).set(
      Float32Array.from({ length: count }, (_, i) => ((i * step) % 101) / 50 - 1),
    );
    return at;
  };
  const [hidden, weight] = [numbers(rows * width, 37), numbers(classes * width, 29)];
  const [indices, labels] = [take(4 * rows), take(4 * rows)];
  for (let i = 0; i < rows; i++) {
    new Int32Array(memory.buffer, indices, rows)[i] = rows - 1 - i;
    new Int32Array(memory.buffer, labels, rows)[i] = (i * 7) % classes;
  }
  const panels = take(4 * (rows + 8) * width);
  k.linearCrossEntropyPack(hidden, indices, panels, rows, width, take(4 * 8 * width));
  const results = [4 * rows * parts, 8 * rows * parts, 4 * rows * parts * width, 4 * rows];
  const [tops, masses, sums, targets] = results.map(take);
  const own = take(k.linearCrossEntropyScratch());
  const found = [labels, tops, masses, sums, targets] as const;
  k.linearCrossEntropyPart(panels, weight, 0, ...found, own, 0, parts, parts, rows, width, classes);
  const floats = (at: number, count: number): Float32Array => new Float32Array(memory.buffer, at, count);
  return Float32Array.from([
    ...floats(tops, rows * parts),
    ...new Float64Array(memory.buffer, masses, rows * parts),
    ...floats(sums, rows * parts * width),
    ...floats(targets, rows),
  ]);
}

for (const [name, base64, flagOffset] of builds) {
  describe(`linear cross-entropy, ${name} build`, () => {
    const usual = crossEntropyParts(base64, flagOffset, 0);

    test.each([1, 2])("tile %i gives what the usual one gives", async (tile) => {
      const [expected, actual] = [await usual, await crossEntropyParts(base64, flagOffset, tile)];
      const largest = Math.max(...expected.map(Math.abs));
      expect(largest).toBeGreaterThan(1);
      expect(Math.max(...actual.map((x, i) => Math.abs(x - expected[i])))).toBeLessThan(1e-6 * largest);
    });
  });
}
