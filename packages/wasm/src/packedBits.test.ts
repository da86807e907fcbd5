import {
  type Backend,
  type BlockFormat,
  blockFormats,
  embedding,
  f32ToF16,
  matmul,
  packedTensor,
  reference,
  tensor,
  to,
} from "@lowrank/core";
import { describe, expect, it } from "vitest";
import { wasm } from "./index.ts";

const [rows, width] = [7, 512];

/** Whole rows of blocks with every code, under scales of either sign, zero and subnormal. */
function someBlocks({ elements, bytes, halves }: BlockFormat["block"]): Uint8Array {
  const count = (rows * width) / elements;
  const scales = [0.5, -0.037, 0, -0, 2 ** -20, -1000, 0.01, -0.25];
  const codes = new Uint16Array(scales.length);
  f32ToF16(Float32Array.from(scales), codes);
  const blocks = Uint8Array.from({ length: count * bytes }, (_, i) => (37 * i + (i >> 3)) & 255);
  const view = new DataView(blocks.buffer);
  for (let block = 0; block < count; block++) {
    for (const [i, at] of halves.entries()) view.setUint16(block * bytes + at, codes[(block + 3 * i) % 8], true);
  }
  return blocks;
}

/** Returns the bits of each value. */
const bits = (values: Float32Array): string[] =>
  Array.from(new Uint32Array(values.buffer, values.byteOffset, values.length), (word) => word.toString(16));

describe.each(Object.values(blockFormats))("$dtype", ({ dtype, block, unpack }) => {
  const bytes = someBlocks(block);
  const expected = new Float32Array(rows * width);
  unpack(bytes, expected);

  it.each([
    ["reference", async () => reference()],
    ["wasm", async () => wasm({ build: "simd" })],
    ["wasm, relaxed", async () => wasm({ build: "relaxed" })],
  ] as const)("on %s: the format's numbers, to the bit, whole, as rows and in products", async (_, start) => {
    const backend: Backend = await start();
    await backend.prepare?.(dtype);
    const w = packedTensor(bytes, { shape: [rows, width], dtype, backend });
    const full = to(w, { dtype: "f32" });
    expect(bits((await full.data()) as Float32Array)).toEqual(bits(expected));
    const ids = tensor(Int32Array.of(6, 0, 3), { backend });
    const picked = Float32Array.from([6, 0, 3].flatMap((id) => [...expected.subarray(id * width, (id + 1) * width)]));
    expect(bits((await embedding(w, ids).data()) as Float32Array)).toEqual(bits(picked));
    for (const m of [1, 2, 9]) {
      const x = tensor(
        Float32Array.from({ length: m * width }, (_v, i) => Math.sin(i)),
        { shape: [m, width], backend },
      );
      const [packed, wide] = [w, full].map((weight) => matmul(x, weight, { transposeB: true }).dataSync());
      const most = Math.max(...wide.map(Math.abs));
      for (const [i, value] of packed.entries()) expect(Math.abs(value - wide[i])).toBeLessThan(1e-5 * most);
    }
  });
});

it("says what to await before the first weight of a format whose kernels are not loaded", async () => {
  const backend = await wasm();
  const w = packedTensor(new Uint8Array(144), { shape: [1, 256], dtype: "q4_k", backend });
  expect(() => to(w, { dtype: "f32" })).toThrow(
    'wasm: the kernels of q4_k are not loaded; call `await backend.prepare("q4_k")` first',
  );
  await backend.prepare?.("q4_k");
  expect(to(w, { dtype: "f32" }).dataSync()).toEqual(new Float32Array(256));
});
