import { beforeAll, describe, expect, it } from "vitest";
import { arange, fromBytes, full, init, reference, tensor } from "./index.ts";

beforeAll(async () => {
  await init(reference());
});

describe("tensor", () => {
  it("takes numbers, nested arrays and typed arrays", () => {
    expect(tensor(3).shape).toEqual([]);
    expect(
      tensor([
        [1, 2, 3],
        [4, 5, 6],
      ]).shape,
    ).toEqual([2, 3]);
    expect(tensor([[[]]]).shape).toEqual([1, 1, 0]);
    const ids = tensor(Int32Array.of(1, 2, 3, 4), { shape: [2, 2] });
    expect([ids.dtype, ids.shape]).toEqual(["i32", [2, 2]]);
    expect(Array.from(tensor([0, 2, -1], { dtype: "bool" }).dataSync())).toEqual([0, 1, 1]);
  });

  it("rounds to half precision and widens on reading", () => {
    expect(Array.from(tensor([1, 1 / 3], { dtype: "bf16" }).dataSync())).toEqual([1, 0.333984375]);
    expect(Array.from(tensor([1, 1 / 3], { dtype: "f16" }).dataSync())).toEqual([1, 0.333251953125]);
  });

  it("refuses ragged arrays and wrong sizes", () => {
    expect(() => tensor([[1, 2], [3]])).toThrow(/ragged: lengths 2 and 1 at depth 1/);
    expect(() => tensor([1, [2]])).toThrow(/ragged/);
    expect(() => tensor([1, 2, 3], { shape: [2, 2] })).toThrow(/3 values do not fill the shape \[2,2\]/);
    expect(() => full([-1], 0)).toThrow(/\[-1\] holds -1/);
    expect(() => fromBytes(new Uint8Array(7), [2], "f32")).toThrow(/f32 \[2\] takes 8 bytes, got 7/);
    expect(() => arange(0, 1, 0)).toThrow(/step 0/);
  });

  it("counts", () => {
    expect(Array.from(arange(2, 9, 3).dataSync())).toEqual([2, 5, 8]);
    expect(arange(2, 2).shape).toEqual([0]);
  });

  it("gives its only element, and says when there are more", async () => {
    expect(await tensor([[4]]).item()).toBe(4);
    expect(() => tensor([1, 2]).itemSync()).toThrow(/\[2\] has 2 elements/);
  });
});
