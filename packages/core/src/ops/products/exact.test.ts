import { describe, expect, it, test } from "vitest";
import {
  copyInto,
  Generator,
  gradients,
  matmul,
  mul,
  noGrad,
  packedFormats,
  packedTensor,
  randn,
  reference,
  solve,
  sum,
  type Tensor,
  tensor,
} from "../../index.ts";
import { primitives } from "../../testing/index.ts";
import { groupedLowRank } from "./checkLowRank.ts";
import { linearInt8 } from "./linearInt8.ts";
import { linearWithInt8Activations } from "./linearWithInt8Activations.ts";
import { loraLinear, loraOp } from "./loraLinear.ts";
import { lowRankRows } from "./lowRankRows.ts";
import { matmulPlan } from "./matmulPlan.ts";

const numbers = (t: Tensor) => Array.from(t.dataSync());
const largestDifference = (a: Tensor, b: Tensor) => Math.max(...numbers(a).map((v, i) => Math.abs(v - numbers(b)[i])));

describe.each(Object.entries({ reference, primitives }))("on %s", (_name, make) => {
  const backend = make();
  const generator = new Generator(7);
  const random = (...shape: number[]) => randn(shape, { generator, backend });
  const f32 = (values: Parameters<typeof tensor>[0], shape?: number[]) => tensor(values, { shape, backend });

  it.each([
    [1, 1, 1],
    [2, 4, 3],
    [3, 5, 2],
  ])("solve gives X with A X = B for %i matrices of %i rows and %i columns of B", (batch, n, m) => {
    const [a, b] = [random(batch, n, n), random(batch, n, m)];
    const x = solve(a, b);
    expect(largestDifference(matmul(a, x), b)).toBeLessThan(2e-5);
    const y = solve(a, b, { transposeA: true });
    expect(largestDifference(matmul(a.transpose(1, 2), y), b)).toBeLessThan(2e-5);
  });

  it("solve exchanges rows where a pivot is 0 or small", () => {
    // X is [[1, 2], [3, 4], [5, 6]].
    const a = f32([0, 2, 1, 1e-9, 0, 4, 3, 1, 0], [3, 3]);
    const b = f32([11, 14, 20, 24, 6, 10], [3, 2]);
    for (const [i, v] of numbers(solve(a, b)).entries()) expect(v).toBeCloseTo(i + 1, 5);
    // The second pivot must not be 1e-20. X is [1, 2, 3].
    const c = f32([1, 0, 5, 0, 1e-20, 1, 0, 1, 1], [3, 3]);
    for (const [i, v] of numbers(solve(c, f32([16, 3, 5], [3, 1]))).entries()) expect(v).toBeCloseTo(i + 1, 5);
  });

  it("linearInt8 rounds to codes with ties to even", () => {
    const values = [127, 0.5, 1.5, 2.5, 3.5, -0.5, -1.5, -2.5, 0.49, 2.51, -126.5, -125.5];
    const codes = [127, 0, 2, 2, 4, 0, -2, -2, 0, 3, -126, -126];
    const row = Float32Array.from({ length: 64 }, (_, i) => values[i] ?? 0);
    const identity = Float32Array.from({ length: 64 * 64 }, (_, i) => (i % 65 === 0 ? 127 : 0));
    const bytes = packedFormats.q8_0.pack(identity, "w");
    const w = packedTensor(bytes, { shape: [64, 64], dtype: "q8_0", backend });
    // The weight is 127 times the identity. The second block of the row is zero.
    const expected = Array.from(row, (_, i) => 127 * (codes[i] ?? 0) + 0);
    expect(numbers(linearInt8(f32(row), w)).map((v) => v + 0)).toEqual(expected);
    expect(numbers(linearWithInt8Activations(f32(row), w)).map((v) => v + 0)).toEqual(expected);
    // A block's largest magnitude gets the code 127, also below 1.
    const small = Float32Array.from({ length: 64 }, (_, i) => [0.5, 0.01][i] ?? 0);
    const [first, second, third] = numbers(linearInt8(f32(small, [1, 64]), w));
    expect([first / 127, second / 127, third]).toEqual([0.5, expect.closeTo((3 * 0.5) / 127, 7), 0]);
    const ones = Float32Array.from({ length: 64 }, (_, i) => [1, 0.01][i] ?? 0);
    expect(numbers(linearInt8(f32(ones, [1, 64]), w))[1]).toBeCloseTo(1, 5);
    expect(() => linearInt8(f32(1), w)).toThrow(
      "linearInt8: the last size of x [] must be the last size of W [64,64] [out,in]",
    );
    expect(() => linearInt8(random(2, 32), w)).toThrow(
      "linearInt8: the last size of x [2,32] must be the last size of W [64,64]",
    );
  });

  it("loraLinear takes a single row, and gradients flow through its low-rank activations too", () => {
    const [x, w, a, b] = [random(3), random(5, 3), random(2, 3), random(5, 2)];
    const out = loraLinear(x, w, a, b, { scaling: 2 });
    expect(out.shape).toEqual([5]);
    const effective = w.add(matmul(b, a).mul(2));
    expect(largestDifference(out.reshape(5, 1), matmul(effective, x.reshape(3, 1)))).toBeLessThan(1e-5);
    expect(() => loraLinear(f32(1), w, a, b, { scaling: 2 })).toThrow("loraLinear: x [] must end in 3 for W [5,3]");
    const rows = random(4, 3);
    for (const t of [rows, a]) t.requiresGrad = true;
    const [, low] = loraOp(rows, w, a, b, { scaling: 2 });
    const weights = random(4, 2);
    const [dx, da] = gradients(sum(mul(low, weights)), [rows, a]);
    expect(largestDifference(dx, matmul(weights, a.detach()).mul(2))).toBeLessThan(1e-5);
    expect(largestDifference(da, matmul(weights, rows.detach(), { transposeA: true }).mul(2))).toBeLessThan(1e-5);
  });
});

test("solve refuses shapes that do not fit", () => {
  const backend = reference();
  const zeros = (...shape: number[]) =>
    tensor(new Float32Array(shape.reduce((n, size) => n * size, 1)), { shape, backend });
  for (const [a, b] of [
    [[], []],
    [[3], [3]],
    [
      [2, 3],
      [2, 1],
    ],
    [
      [3, 3],
      [2, 1],
    ],
    [
      [2, 3, 3],
      [3, 1],
    ],
    [
      [2, 3, 3],
      [1, 3, 1],
    ],
  ]) {
    expect(() => solve(zeros(...a), zeros(...b))).toThrow(
      `solve: A [${a}] [...,n,n] and B [${b}] [...,n,m] do not fit`,
    );
  }
});

test("a product needs two dimensions of both operands", () => {
  const message = (a: string, b: string) => `matmul: cannot multiply ${a} by ${b}: both need at least 2 dimensions`;
  expect(() => matmulPlan([3], [3, 4], {})).toThrow(message("[3]", "[3,4]"));
  expect(() => matmulPlan([4, 3], [3], {})).toThrow(message("[4,3]", "[3]"));
  expect(matmulPlan([4, 3], [3, 2], {})).toEqual({ m: 4, n: 2, k: 3, batch: [] });
});

describe("lowRankRows", () => {
  const f32 = (...shape: number[]) => ({ shape, dtype: "f32" }) as const;
  const first = [f32(4, 5), f32(4, 3)];

  test("has a rule for each group of factors", () => {
    const { shape, fits, key } = groupedLowRank;
    expect(shape(first, { rows: [[3], [0]], scalings: [1, 2] }, 2)).toEqual(f32(4, 5));
    expect(() => shape(first, { rows: [[4]], scalings: [1] }, 1)).toThrow("row 4 is not one of the 4 rows");
    expect(() => shape(first, { rows: [[3]], scalings: [1] }, 2)).toThrow("4 factors, 1 lists of rows and 1 scalings");
    expect(key(first)).toEqual([5, 3]);
    expect(fits(first, [f32(2, 3), f32(5, 2)])).toBe(true);
    expect(fits(first, [f32(2, 3)])).toBe(false);
    expect(fits(first, [f32(2, 3), f32(5, 2), f32(5, 2)])).toBe(false);
    expect(fits(first, [f32(5, 2), f32(2, 3)])).toBe(false);
    expect(fits(first, [f32(2, 4), f32(5, 2)])).toBe(false);
    expect(fits(first, [f32(2, 3), f32(4, 2)])).toBe(false);
    expect(fits(first, [f32(2, 3), f32(5, 1)])).toBe(false);
  });

  test("saves x only if a factor is trained", () => {
    const backend = reference();
    const random = (...shape: number[]) => randn(shape, { generator: new Generator(1), backend });
    const run = (trained: number) => {
      const inputs = [random(4, 5), random(4, 3), random(2, 3), random(5, 2)];
      inputs[trained].requiresGrad = true;
      const out = lowRankRows(...inputs, { rows: [[1, 2]], scalings: [1] });
      noGrad(() => copyInto(inputs[1], random(4, 3)));
      return () => gradients(sum(out), [inputs[trained]]);
    };
    expect(run(0)).not.toThrow();
    for (const factor of [2, 3]) expect(run(factor)).toThrow("lowRankRows saved its input 1 [4,3] for the gradient");
  });
});
