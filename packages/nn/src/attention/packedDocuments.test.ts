import { attention, Generator, init, ones, randn, reference, slice, type Tensor, tensor, zeros } from "@lowrank/core";
import { beforeAll, expect, it } from "vitest";
import { PackedDocuments } from "./packedDocuments.ts";

beforeAll(() => init(reference()));

/** Returns documents of 2 and 3 tokens in one row. */
const documents = () => new PackedDocuments(tensor([0, 0, 2, 2, 2], { shape: [1, 5], dtype: "i32" }));
const draw = (heads: number, seed: number) => randn([1, 5, heads, 4], { generator: new Generator(seed) });
const part = (t: Tensor, start: number, end: number) => slice(t, { dim: 1, start, end });
const inputs = () => [draw(2, 1), draw(1, 2), draw(1, 3)] as const;
const options = { scale: 0.5, causal: true };

it("each document attends to itself alone", () => {
  const [q, k, v] = inputs();
  const out = documents().attend(0, q, k, v, options);
  for (const [start, end] of [
    [0, 2],
    [2, 5],
  ]) {
    const [ownQ, ownK, ownV] = [q, k, v].map((t) => part(t, start, end));
    const wanted = attention(ownQ, ownK, ownV, options).dataSync();
    for (const [i, x] of part(out, start, end).dataSync().entries()) expect(x).toBeCloseTo(Number(wanted[i]), 5);
  }
});

it("dropout drops weights within documents", () => {
  const [q, k] = inputs();
  const sumsOver = (tokens: number[]) => {
    const v = tensor(
      tokens.flatMap((x) => [x, x, x, x]),
      { shape: [1, 5, 1, 4] },
    );
    const out = documents().attend(0, q, k, v, { ...options, dropoutP: 0.5, generator: new Generator(1) });
    // [token, head]
    return Array.from({ length: 10 }, (_, i) => Number(out.dataSync()[4 * i]));
  };
  const sums = sumsOver([1, 1, 1, 1, 1]);
  for (const alone of [0, 1, 4, 5]) expect([0, 2]).toContain(sums[alone]);
  expect(sums.some((sum) => Math.abs(sum - 1) > 0.1)).toBe(true);
  expect(sumsOver([0, 0, 1, 1, 1]).slice(0, 4)).toEqual([0, 0, 0, 0]);
  expect(sumsOver([1, 1, 0, 0, 0]).slice(4)).toEqual([0, 0, 0, 0, 0, 0]);
});

it("earlier rows are zeros before the first token of a document", () => {
  const rows = tensor([1, 2, 3, 4, 5], { shape: [1, 5, 1] });
  const found = documents().earlier(0, rows, 3);
  expect(found.map((t) => [...t.dataSync()])).toEqual([
    [0, 1, 0, 3, 4],
    [0, 0, 0, 0, 3],
    [0, 0, 0, 0, 0],
  ]);
  expect(found.map(({ shape }) => shape)).toEqual([
    [1, 5, 1],
    [1, 5, 1],
    [1, 5, 1],
  ]);
});

it("nothing is counted or kept", () => {
  const packed = documents();
  packed.advance();
  expect([packed.length, packed.isStateless, packed.holdsSeveral]).toEqual([0, true, true]);
  expect(() => packed.update()).toThrow(
    "PackedDocuments: virtual tokens cannot precede each packed document; train a prompt method without packing",
  );
});

it("starts of another shape or dtype are refused", () => {
  expect(() => new PackedDocuments(zeros([1, 5]))).toThrow("starts is f32 [1,5]; give i32 [B, T]");
  expect(() => new PackedDocuments(zeros([5], { dtype: "i32" }))).toThrow("starts is i32 [5]; give i32 [B, T]");
});

it("masks, encoders and other lengths are refused", () => {
  const packed = documents();
  const [q, k, v] = inputs();
  const mask = ones([1, 5], { dtype: "bool" });
  expect(() => packed.attend(0, q, k, v, { scale: 1, causal: false })).toThrow(
    "PackedDocuments: packing needs causal attention, and this model is not a decoder; train it without packing",
  );
  expect(() => packed.attend(0, q, k, v, { ...options, mask })).toThrow("leave attentionMask out");
  const [shortQ, shortK, shortV] = [q, k, v].map((t) => part(t, 0, 4));
  expect(() => packed.attend(0, shortQ, shortK, shortV, options)).toThrow(
    "the queries have 4 positions, but starts has 5",
  );
});
