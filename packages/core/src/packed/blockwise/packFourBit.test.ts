import { describe, expect, it } from "vitest";
import type { Packing } from "../../backends/packedFormat.ts";
import { fp4, nf4, partsOf } from "./fourBit.ts";
import { fourBitLayout } from "./fourBitLayout.ts";
import { packFourBit } from "./packFourBit.ts";

describe.each([nf4, fp4])("$dtype", ({ codebook, unpack }) => {
  const magnitudes = [3, 0.25, 700];
  // Two whole blocks of 32 and a part of one with 7 elements: multiples of the codes' values.
  const values = Float32Array.from({ length: 71 }, (_, i) => magnitudes[i >> 5] * codebook.values[(i * 3) & 15]);
  const largest = [0, 1, 2].map((block) => Math.max(...values.subarray(32 * block, 32 * block + 32).map(Math.abs)));
  const packed = (packing: Packing) => {
    const bytes = new Uint8Array(fourBitLayout(values.length, packing).byteLength);
    const offset = packFourBit(codebook, values, packing, bytes);
    const out = new Float32Array(values.length + 1).fill(9);
    unpack(bytes, out.subarray(0, -1), packing);
    return { bytes, offset, out };
  };

  it("keeps multiples of its values, with the largest magnitude of each block as the scale", () => {
    const packing = { blockSize: 32, nested: false };
    const { bytes, offset, out } = packed(packing);
    const { codes, absmax } = partsOf(bytes, values.length, packing);
    expect([...absmax]).toEqual(largest);
    expect(offset).toBe(0);
    for (const [i, v] of values.entries()) expect(out[i] / largest[i >> 5]).toBeCloseTo(v / largest[i >> 5], 6);
    expect(out.at(-1)).toBe(9);
    const last = values.length - 1;
    expect(codebook.values[codes[last >> 1] >> 4] * largest[2]).toBeCloseTo(values[last], 3);
    // The nibble after the last element is the code of 0.
    expect(codebook.values[codes[last >> 1] & 15]).toBe(0);
  });

  it("keeps nested scales by their distances from the mean", () => {
    const { offset, out } = packed({ blockSize: 32, nested: true });
    const mean = (largest[0] + largest[1] + largest[2]) / 3;
    expect(offset).toBeCloseTo(mean, 3);
    const most = Math.max(...largest.map((scale) => Math.abs(scale - mean)));
    for (const [i, v] of values.entries()) {
      const own = largest[i >> 5];
      expect(Math.abs(out[i] - v)).toBeLessThanOrEqual(0.03 * most * Math.abs(v / own) + 1e-6);
    }
  });
});
