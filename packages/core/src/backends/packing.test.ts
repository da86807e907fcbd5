import { beforeAll, describe, expect, it } from "vitest";
import {
  add,
  byteLength,
  fromBytes,
  full,
  init,
  type Packing,
  packedFormats,
  packedTensor,
  reference,
  reshape,
  tensor,
  zeros,
} from "../index.ts";
import { canQuantizeAs, hasIntegerCodes } from "../internal.ts";
import { fourBitLayout, readOffset, writeHeader } from "../packed/blockwise/fourBitLayout.ts";

beforeAll(async () => {
  await init(reference());
});

const packing: Packing = { blockSize: 64, nested: false };

function fourBit(shape: number[], how: Packing, offset = 0): Uint8Array {
  const bytes = new Uint8Array(byteLength({ shape, dtype: "nf4", packing: how }));
  writeHeader(
    bytes,
    shape.reduce((size, n) => size * n, 1),
    how,
    offset,
  );
  return bytes;
}

describe("byteLength", () => {
  it("counts elements, GGUF blocks, and the parts of 4-bit weights, each aligned to 64 bytes", () => {
    expect(byteLength({ shape: [3, 5], dtype: "bf16" })).toBe(30);
    expect(byteLength({ shape: [3, 64], dtype: "q4_0" })).toBe(3 * 2 * 18);
    expect(byteLength({ shape: [3, 64], dtype: "q4_1" })).toBe(3 * 2 * 20);
    expect(byteLength({ shape: [3, 64], dtype: "q8_0" })).toBe(3 * 2 * 34);
    // 64 header, 24576 codes, 768 scales
    expect(byteLength({ shape: [192, 256], dtype: "nf4", packing })).toBe(64 + 24576 + 4 * 768);
    // 64 header, 24576 codes, 768 8-bit scales, 3 second-level ones
    expect(byteLength({ shape: [192, 256], dtype: "fp4", packing: { blockSize: 64, nested: true } })).toBe(
      64 + 24576 + 768 + 4 * 3,
    );
  });

  it("cannot be told of a 4-bit weight without its block size", () => {
    expect(() => byteLength({ shape: [2, 64], dtype: "nf4" })).toThrow(/nf4 \[2,64\] needs a packing/);
  });

  it("pads odd counts and tail blocks", () => {
    expect(fourBitLayout(129, { blockSize: 64, nested: true })).toEqual({
      ...{ codes: 64, codeBytes: 65, absmax: 192, blocks: 3 },
      ...{ nested: 256, nestedBlocks: 1, byteLength: 260 },
    });
    expect(fourBitLayout(0, packing).byteLength).toBe(64);
  });
});

describe("packedFormats", () => {
  it("agree with what dtypes say of themselves", () => {
    for (const { dtype, ...format } of Object.values(packedFormats)) {
      expect(hasIntegerCodes(dtype), dtype).toBe("integerBits" in format);
      expect(canQuantizeAs(dtype), dtype).toBe("codebook" in format);
    }
  });

  it("are told from raw bytes of elements", () => {
    expect(() => fromBytes(new Uint8Array(34), [1, 32], "q8_0")).toThrow(/q8_0 packs elements in blocks.*packedTensor/);
  });
});

describe("packedTensor", () => {
  it("keeps the bytes, the shape and the packing through handles", async () => {
    const bytes = fourBit([5, 26], { blockSize: 32, nested: true }, 0.25);
    const t = packedTensor(bytes, { shape: [5, 26], dtype: "nf4", packing: { blockSize: 32, nested: true } });
    for (const handle of [t, t.detach(), t.alias()]) {
      expect(handle).toMatchObject({
        shape: [5, 26],
        dtype: "nf4",
        size: 130,
        packing: { blockSize: 32, nested: true },
      });
      expect(await handle.bytes()).toEqual(bytes);
    }
    expect(readOffset(await t.bytes())).toBe(0.25);
  });

  it("refuses what does not belong together", () => {
    const bytes = fourBit([4, 32], packing);
    const make = (spec: object, data = bytes) => packedTensor(data, { shape: [4, 32], dtype: "nf4", packing, ...spec });
    expect(() => make({ dtype: "f32" })).toThrow(/f32 is no packed dtype/);
    expect(() => make({ packing: undefined })).toThrow(/blockSize is undefined; use a power of two from 32 to 4096/);
    for (const blockSize of [0, 16, 48, 8192, 64.5, Number.NaN]) {
      expect(() => make({ packing: { blockSize, nested: false } })).toThrow(`blockSize is ${blockSize};`);
    }
    expect(() => make({}, bytes.subarray(1))).toThrow(/nf4 \[4,32\] takes 136 bytes, got 135/);
    const foreign = bytes.with(0, 32);
    expect(() => make({}, foreign)).toThrow(
      /header of the nf4 bytes does not describe a weight \[4,32\] in blocks of 64/,
    );
    expect(() => make({ dtype: "q8_0" }, new Uint8Array(136))).toThrow(/a fixed block size; leave the packing out/);
    expect(() => packedTensor(new Uint8Array(60), { shape: [4, 24], dtype: "q4_1" })).toThrow(
      /rows of q4_1 \[4,24\] must be whole blocks of 32/,
    );
  });

  it("is no operand of ordinary ops, has no plain elements and takes no gradient", () => {
    const t = packedTensor(fourBit([4, 32], packing), { shape: [4, 32], dtype: "nf4", packing });
    const refusal = /input 1 \[4,32\] is a packed nf4 weight.*t\.to\("f32"\)/;
    expect(() => add(zeros([4, 32]), t)).toThrow(refusal);
    expect(() => reshape(t, [32, 4])).toThrow("reshape: cannot view [4,32] (packed: its last size stays) as [32,4]");
    const view = reshape(t, [2, 2, -1]);
    expect([view.shape, view.packing]).toEqual([[2, 2, 32], packing]);
    expect(view.to("f32").dataSync()).toEqual(t.to("f32").dataSync());
    expect(() => t.dataSync()).toThrow(/packed nf4 tensor \[4,32\] has no plain elements: use t\.to\("f32"\)/);
    expect(() => {
      t.requiresGrad = true;
    }).toThrow(/nf4 tensor \[4,32\] cannot require gradients/);
    expect(() => tensor([1], { dtype: "nf4" })).toThrow(/nf4 packs elements in blocks.*quantize4bit/);
    expect(() => full([2], 1, { dtype: "q8_0" })).toThrow(/q8_0 packs elements in blocks/);
  });
});
