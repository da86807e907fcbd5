import { add, attention, cat, linear, matmul, meta, rmsNorm, solve, type Tensor } from "@lowrank/core";
import { loraLinear } from "@lowrank/core/internal";
import { expect, test } from "vitest";
import { countFlops } from "./reportAdapter.ts";

const backend = meta();
const t = (...shape: number[]): Tensor => backend.tensor({ shape, dtype: "f32" });

test.each<[string, () => unknown, number]>([
  ["a product", () => matmul(t(2, 3), t(3, 5)), 2 * 2 * 3 * 5],
  ["a product of transposes", () => matmul(t(3, 2), t(5, 3), { transposeA: true, transposeB: true }), 2 * 2 * 3 * 5],
  ["products of a batch", () => matmul(t(4, 2, 3), t(3, 5)), 4 * 2 * 2 * 3 * 5],
  ["a layer with a bias", () => linear(t(7, 3), t(5, 3), t(5)), 2 * 7 * 3 * 5 + 7 * 5],
  [
    "a layer with LoRA",
    () => loraLinear(t(1, 7, 30), t(50, 30), t(4, 30), t(50, 4), { scaling: 2 }),
    2 * 7 * (30 * 50 + 4 * (30 + 50)),
  ],
  ["attention", () => attention(t(1, 6, 4, 8), t(1, 9, 2, 8), t(1, 9, 2, 8)), 2 * (2 * 4 * 8) * 6 * 9],
  [
    "causal attention, where query i sees its own position and those before",
    () => attention(t(1, 3, 4, 8), t(1, 5, 4, 8), t(1, 5, 4, 8), { causal: true }),
    2 * (2 * 4 * 8) * (3 + 4 + 5),
  ],
  ["a sum", () => add(t(4, 6), t(6)), 24],
  ["a norm", () => rmsNorm(t(4, 6), t(6), { eps: 1e-6 }), 24],
  ["moving numbers", () => cat([t(4, 6), t(2, 6)]), 0],
  ["linear systems", () => solve(t(6, 6), t(6, 2)), (2 / 3) * 6 ** 3 + 2 * 6 * 12],
])("%s", (_what, fn, flops) => {
  expect(countFlops(backend, fn)).toBe(flops);
});

test("counting ends, also where it fails", () => {
  const { run } = backend;
  expect(() => countFlops(backend, () => matmul(t(2, 3), t(2, 3)))).toThrow("matmul");
  expect(backend.run).toBe(run);
});

test("products of integers and of rows' adapters count two operations for each product", () => {
  const ref = (...shape: number[]) => ({ shape });
  const count = (name: string, inputs: object[], outputs: object[], params: object = {}) => {
    const backend = { run() {} };
    return countFlops(backend as never, () =>
      (backend.run as (...args: unknown[]) => void)({ name }, inputs, outputs, params),
    );
  };
  expect(count("linearInt8", [ref(3, 5), ref(7, 5)], [ref(3, 7)])).toBe(2 * 3 * 7 * 5);
  // Two rows of 4 tokens with rank 2, and one with rank 3, of layers from 5 to 7.
  const factors = [ref(2, 5), ref(7, 2), ref(3, 5), ref(7, 3)];
  const rows = { rows: [[0, 2], [1]] };
  expect(count("lowRankRows", [ref(3, 4, 7), ref(3, 4, 5), ...factors], [ref(3, 4, 7)], rows)).toBe(
    2 * 4 * (2 * 2 + 3) * (5 + 7),
  );
  expect(count("attention", [ref(2, 3, 5, 7), ref(2, 4, 5, 7)], [ref(2, 3, 5, 7)])).toBe(4 * 2 * 5 * 7 * 3 * 4);
  expect(
    count("attention", [ref(2, 3, 5, 7), ref(2, 4, 5, 7)], [ref(2, 3, 5, 7)], { keyLength: 3, causal: true }),
  ).toBe(4 * 2 * 5 * 7 * (1 + 2 + 3));
});
