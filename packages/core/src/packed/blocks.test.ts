import { describe, expect, it, test } from "vitest";
import type { BlockDType } from "../layout/dtype.ts";
import golden from "./blocks.gen.json" with { type: "json" };
import { blockFormats } from "./index.ts";

// Bytes and values of ggml and gguf-py, written by conformance/python/packed_blocks.py.

const bytesOf = (text: string) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
const floatsOf = (text: string) => new Float32Array(bytesOf(text).buffer);
const formats = Object.values(blockFormats);
const nameOf = (dtype: BlockDType) => dtype.toUpperCase() as keyof typeof golden.encoded;

describe.each(formats)("$dtype", (format) => {
  const { dtype, block } = format;
  const name = nameOf(dtype);

  it("has the bytes of the reference quantiser", () => {
    const [packed, wanted] = [format.pack(floatsOf(golden.values), "w"), bytesOf(golden.encoded[name])];
    expect(packed.findIndex((byte, i) => byte !== wanted[i])).toBe(-1);
    expect(packed).toHaveLength(wanted.length);
  });

  it("has the values of gguf-py, at any place", () => {
    const { blocks, values } = golden.decoded[name];
    const [bytes, wanted] = [bytesOf(blocks), floatsOf(values)];
    const out = new Float32Array(wanted.length + 1).fill(7);
    format.unpack(bytes, out);
    expect(out.subarray(0, -1)).toEqual(wanted);
    expect(out.at(-1)).toBe(7);
    const last = new Float32Array(block.elements);
    format.unpack(bytes.subarray(bytes.length - block.bytes), last);
    expect(last).toEqual(wanted.subarray(wanted.length - block.elements));
  });

  it("packs zeros as zeros", () => {
    const values = new Float32Array(block.elements);
    const out = new Float32Array(block.elements).fill(9);
    format.unpack(format.pack(values, "w"), out);
    expect(out.every((x) => x === 0)).toBe(true);
  });

  it("refuses values that it cannot store", () => {
    const withOne = (value: number, at: number) =>
      Float32Array.from({ length: 2 * block.elements }, (_, i) => (i === at ? value : 1));
    for (const at of [0, 2 * block.elements - 1]) {
      for (const value of [Number.NaN, Infinity, -Infinity]) {
        expect(() => format.pack(withOne(value, at), "a weight")).toThrow(
          `a weight holds a number that is not finite, which ${name} cannot store; write bf16 or f32`,
        );
      }
      expect(() => format.pack(withOne(3e10, at), "a weight")).toThrow(
        `a weight holds values too large for an f16 scale, which ${name} cannot store; write bf16 or f32`,
      );
    }
  });

  it("takes rows of whole blocks without a packing", () => {
    const { elements } = block;
    const check = (shape: number[], packing?: { blockSize: number; nested: boolean }) =>
      format.check("a weight", { shape, dtype, packing });
    check([3, elements]);
    check([2 * elements]);
    check([0, elements]);
    for (const shape of [[], [elements, elements + 1], [elements - 1]]) {
      expect(() => check(shape)).toThrow(`must be whole blocks of ${elements} elements`);
    }
    expect(() => check([elements], { blockSize: 64, nested: false })).toThrow("leave the packing out");
    expect(format.byteLength({ shape: [3, 2 * elements], dtype })).toBe(6 * block.bytes);
    expect(format.byteLength({ shape: [0, elements], dtype })).toBe(0);
  });
});

test("the largest scales of f16 are packed, and the next ones are refused", () => {
  const { pack, unpack } = blockFormats.q8_0;
  // 65520 rounds to infinity as f16.
  const [fits, beyond] = [65519 * 127, 65520 * 127].map((x) => new Float32Array(32).fill(x));
  const out = new Float32Array(32);
  unpack(pack(fits, "w"), out);
  expect(out[0]).toBe(65504 * 127);
  expect(() => pack(beyond, "w")).toThrow("too large for an f16 scale");
});

test("q8_0 rounds ties away from zero", () => {
  const given = [127, 0.5, -0.5, 1.5, -1.5, 0.25, -126.5];
  const values = Float32Array.from({ length: 32 }, (_, i) => given[i] ?? 0);
  const out = new Float32Array(32);
  blockFormats.q8_0.unpack(blockFormats.q8_0.pack(values, "w"), out);
  expect([...out.subarray(0, 8)]).toEqual([127, 1, -1, 2, -2, 0, -127, 0]);
});

test("formats have the places that ggml and llama.cpp give them", () => {
  const facts = formats.map(({ dtype, block, gguf, integerBits }) => [
    ...[dtype, block.elements, block.bytes, block.halves.join(), gguf.type, gguf.file, integerBits],
  ]);
  expect(facts).toEqual([
    ["q4_0", 32, 18, "0", 2, 2, 4],
    ["q4_1", 32, 20, "0,2", 3, 3, 4],
    ["q8_0", 32, 34, "0", 8, 7, 8],
    ["q5_0", 32, 22, "0", 6, 8, 5],
    ["q5_1", 32, 24, "0,2", 7, 9, 5],
    ["q4_k", 256, 144, "0,2", 12, 14, 4],
    ["q5_k", 256, 176, "0,2", 13, 16, 5],
    ["q6_k", 256, 210, "208", 14, 18, 6],
  ]);
});
