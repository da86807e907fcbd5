import { Generator } from "@lowrank/core";
import { expect, test } from "vitest";
import ggml from "../ggmlBlocks.gen.json" with { type: "json" };
import { encodeRows } from "./encodeRows.ts";
import { encodeBlocks } from "./ggmlTypes.ts";

const types = ["Q4_K", "Q5_K", "Q6_K"] as const;

const normal = new Float32Array(40 * 256);
new Generator(3).fillNormal(normal);

/** Values that cover every branch, in groups of 32 and of 16. */
const cases: readonly (readonly [name: string, value: (x: number, i: number) => number])[] = [
  ["of one size", (x) => 0.02 * x],
  ["whose groups differ by up to 10^28", (x, i) => x * 10 ** (((i >> 5) % 29) - 24)],
  ["whose halves of groups differ by up to 10^20", (x, i) => x * 10 ** (((i >> 4) % 21) - 17)],
  ["above zero", Math.abs],
  ["below -1", (x) => -Math.abs(x) - 1],
  ["in groups between zeros", (x, i) => ((i >> 4) % 3 ? x : 0)],
  ["in groups beside one number", (x, i) => ((i >> 5) % 2 ? x : -0.75)],
  ["that are integers", (x) => Math.round(3 * x)],
  ["that are mostly zeros of both signs", (x, i) => (i % 77 === 0 ? x : i % 2 ? 0 : -0)],
  ["with few large ones", (x, i) => (i % 199 ? 0.01 * x : 900)],
  ["at the end of f16", (x) => 2 ** -24 * x],
  ["below f32's normal ones", (x) => 1e-40 * x],
];

test.each(types)("%s: the bytes of ggml's reference quantiser", async (type) => {
  const bytes = Uint8Array.from(ggml.values.match(/../g) as string[], (pair) => Number.parseInt(pair, 16));
  const encoded = await encodeRows(type, new Float32Array(bytes.buffer), "w");
  const hex = Array.from(encoded, (byte) => byte.toString(16).padStart(2, "0")).join("");
  expect(hex).toBe(ggml.encoded[type]);
});

test.each(cases)("K-blocks of numbers %s are those of the plain loops", async (_, value) => {
  const values = normal.map(value);
  for (const type of types) {
    const [encoded, wanted] = [await encodeRows(type, values, "w"), encodeBlocks(type, values, "w")];
    expect(encoded.findIndex((byte, i) => byte !== wanted[i])).toBe(-1);
    expect(encoded).toHaveLength(wanted.length);
  }
});

test("more blocks than are packed at once, and none", async () => {
  const values = Float32Array.from({ length: 300 * 256 }, (_, i) => normal[i % normal.length] + i / 1e5);
  expect(await encodeRows("Q6_K", values, "w")).toEqual(encodeBlocks("Q6_K", values, "w"));
  expect(await encodeRows("Q4_K", new Float32Array(0), "w")).toHaveLength(0);
});

test.each(types)("%s refuses what the plain loops refuse, in their words", async (type) => {
  const withOne = (value: number) => normal.map((x, i) => (i === 2000 ? value : x));
  await expect(encodeRows(type, withOne(Number.NaN), "w")).rejects.toThrow("w holds a number that is not finite");
  await expect(encodeRows(type, withOne(-Infinity), "w")).rejects.toThrow("w holds a number that is not finite");
  await expect(encodeRows(type, withOne(1e10), "w")).rejects.toThrow("w holds values too large for an f16 scale");
  await expect(encodeRows(type, normal.subarray(1), "w")).rejects.toThrow("are not a multiple of 256");
});

test("other types are encoded as ever", async () => {
  expect(await encodeRows("Q8_0", normal, "w")).toEqual(encodeBlocks("Q8_0", normal, "w"));
});
