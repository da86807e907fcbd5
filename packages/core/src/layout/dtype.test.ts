import { beforeAll, describe, expect, it, test } from "vitest";
import * as core from "../index.ts";
import { type DType, type ElementDType, full, init, reference, tensor, zeros } from "../index.ts";
import { canQuantizeAs, dtypes, hasIntegerCodes, isFloating, isPacked } from "./dtype.ts";

beforeAll(() => init(reference()));

const valuesOf = (t: core.Tensor) => [...t.dataSync()].map(Number);

test("dtypes have the bytes and the kinds of their names", () => {
  const kinds = dtypes.map((dtype) => [dtype, isPacked(dtype), isFloating(dtype), canQuantizeAs(dtype)]);
  const plain = (dtype: DType, floats: boolean) => [dtype, false, floats, false];
  expect(kinds).toEqual([
    ...[plain("f32", true), plain("f16", true), plain("bf16", true)],
    ...[plain("i32", false), plain("u8", false), plain("bool", false)],
    ...["nf4", "fp4"].map((dtype) => [dtype, true, false, true]),
    ...["q4_0", "q4_1", "q8_0", "q5_0", "q5_1", "q4_k", "q5_k", "q6_k"].map((dtype) => [dtype, true, false, false]),
  ]);
  expect(dtypes.filter(hasIntegerCodes)).toEqual(dtypes.slice(8));
});

describe("new tensors", () => {
  const bytes: Record<ElementDType, number> = { f32: 4, f16: 2, bf16: 2, i32: 4, u8: 1, bool: 1 };

  it.each(Object.entries(bytes) as [ElementDType, number][])("of %s take %d bytes an element", async (dtype, each) => {
    for (const value of [0, 1]) {
      const t = full([3, 5], value, { dtype });
      expect((await t.bytes()).length).toBe(15 * each);
      expect(valuesOf(t)).toEqual(Array(15).fill(value));
    }
    expect(valuesOf(core.ones([3], { dtype }))).toEqual([1, 1, 1]);
    expect(valuesOf(zeros([3], { dtype }))).toEqual([0, 0, 0]);
    expect(valuesOf(tensor([0, 1, 1], { dtype }))).toEqual([0, 1, 1]);
  });

  it("are f32 without gradients by default", () => {
    for (const t of [zeros(2), core.ones(2), full([2], 1), core.rand(2), core.randn(2), tensor([1])]) {
      expect([t.dtype, t.requiresGrad]).toEqual(["f32", false]);
    }
    for (const t of [
      ...[zeros(2, { requiresGrad: true }), full([2], 1, { requiresGrad: true }), core.rand(2, { requiresGrad: true })],
      ...[core.randn(2, { requiresGrad: true }), tensor([1], { requiresGrad: true })],
      ...[core.arange(1.5, { requiresGrad: true }), core.rand(2, { dtype: "bf16", requiresGrad: true })],
    ]) {
      expect(t.requiresGrad).toBe(true);
    }
  });

  it("of integers hold their range, and no more", () => {
    for (const [dtype, low, high] of [
      ["i32", -(2 ** 31), 2 ** 31 - 1],
      ["u8", 0, 255],
    ] as const) {
      expect(valuesOf(tensor([low, high], { dtype }))).toEqual([low, high]);
      expect(valuesOf(full([2], high, { dtype }))).toEqual([high, high]);
      for (const value of [low - 1, high + 1]) {
        expect(() => tensor([0, value], { dtype })).toThrow(
          `tensor: ${value} at position 1 is not within ${dtype}, which goes from ${low} to ${high}`,
        );
        expect(() => full([1], value, { dtype })).toThrow(`full: ${value} at position 0`);
      }
      // Fractions are truncated before the range check.
      expect(valuesOf(tensor([high + 0.5], { dtype }))).toEqual([high]);
    }
    expect(valuesOf(tensor([-0.5], { dtype: "u8" }))).toEqual([0]);
  });

  it("of typed arrays have their dtype and length", () => {
    const found = [Float32Array.of(1, 2), Int32Array.of(1, 2), Uint8Array.of(1, 2), Float64Array.of(1, 2)].map((data) =>
      tensor(data),
    );
    expect(found.map(({ dtype, shape }) => [dtype, shape.join()])).toEqual([
      ...[
        ["f32", "2"],
        ["i32", "2"],
        ["u8", "2"],
        ["f32", "2"],
      ],
    ]);
    expect(tensor(Float32Array.of(1, 2), { shape: [2, 1] }).shape).toEqual([2, 1]);
    expect(() => tensor(new BigInt64Array(1) as never)).toThrow("the numbers are bigint");
  });

  it("keep the sign of zero, and special values", () => {
    expect(Object.is(full([1], -0).dataSync()[0], -0)).toBe(true);
    expect([...full([2], Number.NaN).dataSync()]).toEqual([Number.NaN, Number.NaN]);
    expect(valuesOf(full([1], -Infinity, { dtype: "f16" }))).toEqual([-Infinity]);
    expect(valuesOf(full([3], 0.1))).toEqual(Array(3).fill(Math.fround(0.1)));
  });
});

describe("arange", () => {
  it("has an end, a start and a step, as PyTorch's", () => {
    expect(valuesOf(core.arange(4))).toEqual([0, 1, 2, 3]);
    expect(valuesOf(core.arange(2, 5))).toEqual([2, 3, 4]);
    expect(valuesOf(core.arange(2, 5, undefined))).toEqual([2, 3, 4]);
    expect(valuesOf(core.arange(5, 0, -2))).toEqual([5, 3, 1]);
    expect(valuesOf(core.arange(0, 1, 0.25))).toEqual([0, 0.25, 0.5, 0.75]);
    expect(valuesOf(core.arange(3, 1))).toEqual([]);
    expect(valuesOf(core.arange(0))).toEqual([]);
  });

  it("is i32 for integers, and f32 for others", () => {
    const made = [core.arange(3), core.arange(1, 3), core.arange(1, 3, 2), core.arange(2.5), core.arange(0.5, 2)];
    expect(made.map(({ dtype }) => dtype)).toEqual(["i32", "i32", "i32", "f32", "f32"]);
    expect(core.arange(0, 2, 0.5).dtype).toBe("f32");
    expect(core.arange(3, { dtype: "f32" }).dtype).toBe("f32");
    expect(core.arange(1, 2, 1, { dtype: "u8" }).dtype).toBe("u8");
  });

  it("refuses steps of 0, and ends that are not finite", () => {
    for (const step of [0, Number.NaN, Infinity]) {
      expect(() => core.arange(0, 1, step)).toThrow(`arange: step ${step} must be a finite number other than 0`);
    }
    for (const end of [Infinity, Number.NaN]) expect(() => core.arange(end)).toThrow("arange: it takes an end");
    expect(() => core.arange(Infinity, 3)).toThrow("arange: it takes an end");
  });
});

describe("shapes as arguments", () => {
  // biome-ignore lint/suspicious/noExplicitAny: calls from JavaScript have no types
  const loose = core as any;

  it("are a list or sizes, with options after them", () => {
    expect(zeros([2, 3]).shape).toEqual([2, 3]);
    expect(zeros(2, 3).shape).toEqual([2, 3]);
    expect(zeros([]).shape).toEqual([]);
    expect(zeros(2, 3, { dtype: "u8" })).toMatchObject({ shape: [2, 3], dtype: "u8" });
    expect(zeros([2], { dtype: "u8" })).toMatchObject({ shape: [2], dtype: "u8" });
    expect(zeros([2], undefined).shape).toEqual([2]);
  });

  it("are refused where they are none", () => {
    expect(() => loose.zeros()).toThrow("zeros: it takes a shape, as in zeros([2, 3]); [] is a single number");
    for (const args of [["2"], [{}], [{}, 2], [2, {}, 3], [[2], {}, 3], [2, "3", 4]]) {
      expect(() => loose.zeros(...args)).toThrow("zeros: it takes a shape and options, as in zeros([2, 3])");
    }
    expect(() => loose.zeros(2, "3")).toThrow();
    expect(() => loose.full(2, 1)).toThrow("full: it takes a shape and a number");
    expect(() => loose.full([2], "1")).toThrow("full: it takes a shape and a number");
    expect(() => loose.full([2, -1], 1)).toThrow("full: shape [2,-1] holds -1");
  });
});

describe("random tensors", () => {
  it("are uniform from 0 to 1 and normal by default, and so wide as is said", () => {
    const generator = () => new core.Generator(3);
    const uniform = valuesOf(core.rand(1000, { generator: generator() }));
    expect([Math.min(...uniform) >= 0, Math.max(...uniform) < 1, Math.max(...uniform) > 0.98]).toEqual(
      Array(3).fill(true),
    );
    const wide = valuesOf(core.rand(1000, { low: -2, high: 2, generator: generator() }));
    for (const [i, x] of wide.entries()) expect(x).toBeCloseTo(4 * uniform[i] - 2, 5);
    const normal = valuesOf(core.randn(1000, { generator: generator() }));
    expect(Math.abs(normal.reduce((a, b) => a + b) / 1000)).toBeLessThan(0.15);
    expect(Math.abs(normal.reduce((a, b) => a + b * b, 0) / 1000 - 1)).toBeLessThan(0.2);
    const moved = valuesOf(core.randn(1000, { mean: 3, std: 0.5, generator: generator() }));
    for (const [i, x] of moved.entries()) expect(x).toBeCloseTo(3 + 0.5 * normal[i], 5);
    const half = valuesOf(core.randn(4, { dtype: "bf16", generator: generator() }));
    for (const [i, x] of half.entries()) expect(Math.abs(x - normal[i])).toBeLessThanOrEqual(Math.abs(x) / 128);
  });
});

test("lists that are deeper or shorter than those before are told apart", () => {
  // biome-ignore lint/suspicious/noExplicitAny: ragged lists
  const made = (data: any) => () => tensor(data);
  expect(made([[1], [[2]]])).toThrow("at data[1][0] there is 1 entry, not a number; pad rows to one length");
  expect(made([[1], [[2, 3]]])).toThrow("at data[1][0] there is 2 entries, not a number");
  expect(made([[1, 2], [3]])).toThrow("at data[1] there is 1 entry, not 2 as those before it");
  expect(made([[1, 2], 3])).toThrow("at data[1] there is a number, not 2 as those before it");
  expect(made([[[1]], [[]]])).toThrow("at data[1][0] there is 0 entries, not 1 as those before it");
});
