import { describe, expect, it } from "vitest";
import { fakeDevice } from "../testing/fakeDevice.ts";
import { ReadBack } from "./readBack.ts";

type Fake = GPUBuffer & { bytes: Uint8Array; destroyed: boolean };

describe("buffers for reads", () => {
  it("have powers of two from 256 bytes on, and many bytes as they are, in whole words", () => {
    const { device } = fakeDevice();
    const readBack = new ReadBack(device);
    const sizes = [1, 4, 256, 257, 512, 513, 2 ** 24 - 1, 2 ** 24, 2 ** 24 + 1, 2 ** 24 + 8];
    expect(sizes.map((bytes) => readBack.take(bytes).size)).toEqual([
      ...[256, 256, 256, 512, 512, 1024, 2 ** 24, 2 ** 24, 2 ** 24 + 4, 2 ** 24 + 8],
    ]);
  });

  it("give the first bytes, and serve again", async () => {
    const { device, counts } = fakeDevice();
    const readBack = new ReadBack(device);
    const buffer = readBack.take(300) as Fake;
    buffer.bytes.set([1, 2, 3, 4, 5]);
    expect(Array.from(await readBack.read(buffer, 4))).toEqual([1, 2, 3, 4]);
    expect(readBack.take(500)).toBe(buffer);
    expect(readBack.take(500)).not.toBe(buffer);
    expect(counts.buffers).toHaveLength(2);
  });

  it("are kept in a small number, and large ones are not", async () => {
    const { device } = fakeDevice();
    const readBack = new ReadBack(device);
    const buffers = Array.from({ length: 20 }, () => readBack.take(300) as Fake);
    for (const buffer of buffers) await readBack.read(buffer, 300);
    const kept = buffers.filter(({ destroyed }) => !destroyed).length;
    expect(kept).toBeGreaterThan(1);
    expect(kept).toBeLessThan(10);
    const large = [2 ** 24, 2 ** 24 + 4].map((bytes) => readBack.take(bytes) as Fake);
    for (const buffer of large) await readBack.read(buffer, 4);
    expect(large.map(({ destroyed }) => destroyed)).toEqual([false, true]);
  });
});
