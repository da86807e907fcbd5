import { describe, expect, test } from "vitest";
import {
  amax,
  init,
  max,
  maximum,
  min,
  ones,
  pad,
  pow,
  reference,
  slice,
  sum,
  type Tensor,
  tensor,
  vjp,
} from "./index.ts";

await init(reference());

const values = async (t: Tensor) => Array.from(await t.data());

/** Returns the gradients of the sum of a function's result, for each argument. */
async function gradients(fn: (...args: Tensor[]) => Tensor, ...args: Tensor[]): Promise<number[][]> {
  const { value, pullback } = vjp(fn, ...args);
  return Promise.all(pullback(ones(value.shape)).map(values));
}

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

// Expected values are PyTorch 2.15's.
describe("NaN", () => {
  const x = () => tensor([1, nan, 3, nan]);

  test("NaNs share the gradient of max and min over all elements", async () => {
    expect(await gradients((t) => max(t), x())).toEqual([[0, 0.5, 0, 0.5]]);
    expect(await gradients((t) => min(t), x())).toEqual([[0, 0.5, 0, 0.5]]);
    expect(await gradients((t) => max(t), tensor([2, 1, 2, 2]))).toEqual([[1 / 3, 0, 1 / 3, 1 / 3].map(Math.fround)]);
  });

  test("the first NaN takes the gradient of max along a dimension", async () => {
    expect(await gradients((t) => max(t, { dim: 0 }), x())).toEqual([[0, 1, 0, 0]]);
  });

  test("the gradient of amax at NaNs is NaN, and maximum shares it", async () => {
    expect(await gradients((t) => amax(t), x())).toEqual([[nan, nan, nan, nan]]);
    expect(await gradients((t) => maximum(t, tensor([2, 2, nan, nan])), x())).toEqual([[0, 1, 1, 1]]);
  });
});

describe("pow with a number", () => {
  const x = [-inf, -2, -0, 0, 2, inf];

  test.each([
    [-0.5, [nan, nan, -inf, inf, Math.fround(Math.SQRT1_2), 0], [-0, nan, -inf, -inf, -0.1767766922712326, -0]],
    [1.5, [inf, nan, 0, 0, 2.8284270763397217, inf], [nan, nan, -0, 0, 2.1213202476501465, inf]],
    [0, [1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0]],
    [3, [-inf, -8, -0, 0, 8, inf], [inf, 12, 0, 0, 12, inf]],
    [-2, [0, 0.25, inf, inf, 0.25, 0], [0, 0.25, inf, -inf, -0.25, -0]],
  ])("exponent %d", async (exponent, expected, slopes) => {
    const near = (found: number[], wanted: number[]) => {
      for (const [i, value] of wanted.entries()) {
        if (Number.isFinite(value)) expect(found[i]).toBeCloseTo(value, 6);
        else expect(found[i]).toBe(value);
      }
    };
    near(await values(pow(tensor(x), exponent)), expected);
    near((await gradients((t) => pow(t, exponent), tensor(x)))[0], slopes);
  });
});

describe("empty slices", () => {
  test("an empty strided slice has a second derivative", async () => {
    const empty = (t: Tensor) => slice(t, { dim: 0, start: 0, end: 0, step: 3 });
    const first = (t: Tensor) => vjp((u) => empty(u), t).pullback(empty(t))[0];
    expect(await gradients(first, tensor([1, 2, 3, 4, 5]))).toEqual([[0, 0, 0, 0, 0]]);
    expect(await values(sum(empty(tensor([1, 2, 3]))))).toEqual([0]);
  });

  test("pad refuses to cut off more than a dimension has", () => {
    expect(() => pad(tensor([1, 2, 3]), [0, -4])).toThrow("cut off more than the 3 elements of dimension 0 of [3]");
    expect(pad(tensor([1, 2, 3]), [-1, -2]).shape).toEqual([0]);
  });
});
