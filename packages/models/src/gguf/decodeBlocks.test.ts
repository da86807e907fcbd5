import { expect, test } from "vitest";
import golden from "./decodeBlocks.gen.json" with { type: "json" };
import { decodeBlocks, ggmlTypes } from "./types/ggmlTypes.ts";

const fromHex = (text: string) => Uint8Array.from(text.match(/../g) as string[], (pair) => Number.parseInt(pair, 16));
const types = [...ggmlTypes.values()];

/** Returns the bits of each value; "NaN" for every NaN. */
function bits(numbers: Float32Array): string[] {
  const words = new Uint32Array(numbers.buffer);
  return Array.from(numbers, (x, i) => (Number.isNaN(x) ? "NaN" : words[i].toString(16)));
}

test.each(types)("$name: the numbers of gguf-py, to the bit", (type) => {
  const { blocks, values } = golden[type.name as keyof typeof golden];
  expect(bits(decodeBlocks(type, fromHex(blocks)))).toEqual(bits(new Float32Array(fromHex(values).buffer)));
});

test.each(types)("$name: blocks at any address", (type) => {
  const blocks = fromHex(golden[type.name as keyof typeof golden].blocks);
  const shifted = new Uint8Array(blocks.length + 1);
  shifted.set(blocks, 1);
  expect(bits(decodeBlocks(type, shifted.subarray(1)))).toEqual(bits(decodeBlocks(type, blocks)));
});

test("part of a block is an error", () => {
  const q4_1 = types.find(({ name }) => name === "Q4_1")!;
  expect(() => decodeBlocks(q4_1, new Uint8Array(30))).toThrow(
    "Q4_1: 30 bytes are not a multiple of the block size, 20 bytes",
  );
});
