import { defineOp, Generator, matmul, type Op, randn, reference, scope, tensor } from "@lowrank/core";
import { expectClose, prepareStored, storedWeights, wideStoredWeights } from "@lowrank/core/testing";
import { describe, expect, it } from "vitest";
import { kernel, wasm } from "./index.ts";
import { dtypeNumber } from "./kernels/kernel.ts";

const bitsOfThree = 0x40400000;

interface Params {
  /** Columns are computed in parts of this many. */
  readonly part?: number;
  readonly alpha?: number;
  /** True to add the result to threes. */
  readonly accumulate?: boolean;
}

/** x Wᵀ by the kernel alone. */
const gemv: Op<2, Params> = defineOp<2, Params>({
  name: "test/gemv",
  arity: 2,
  packed: [1],
  shape: ([x, w]) => ({ shape: [x.shape[0], w.shape[0]], dtype: "f32" }),
});

const gemvKernel = kernel<typeof gemv>("test/gemv", (k, [x, w], [out], params, scratch) => {
  const { part, alpha = 1, accumulate = false } = params;
  const [n, width] = w.shape;
  const room = scratch(k.scratchBytes());
  k.fill(out.ptr, out.size, bitsOfThree);
  const rows = [x.shape[0], width, alpha, accumulate ? 1 : 0] as const;
  for (let first = 0, last = 0; first < n; first = last) {
    last = Math.min(first + (part ?? n), n);
    k.gemvPacked(x.ptr, w.ptr, dtypeNumber(w), 0, out.ptr, 4 * n, ...rows, first, last, room);
  }
});

const plain = reference();
const draw = (shape: number[], seed: number) =>
  randn(shape, { generator: new Generator(seed), backend: plain }).dataSync();

/** Rows of whole blocks, blocks that cross rows, odd rows, and more floats than are widened or reordered at a time. */
const shapes = [
  [1, 9, 128],
  [2, 5, 256],
  [3, 6, 64],
  [4, 7, 1088],
  [5, 11, 96],
  [1, 3, 31],
  [2, 4, 1031],
  [1, 2, 16384 + 128],
  [2, 2, 16384],
];

/** Shapes with rows of one or several blocks of 256. */
const wideShapes = [
  [1, 9, 256],
  [1, 11, 1280],
  [2, 5, 512],
  [5, 11, 768],
];

const stores = { ...storedWeights, ...wideStoredWeights };
const starts = [wasm({ build: "simd", kernels: [gemvKernel] }), wasm({ build: "relaxed", kernels: [gemvKernel] })];
const [simd, relaxed] = await Promise.all(starts);
await Promise.all([simd, relaxed].map(prepareStored));

describe.each([
  ["simd", simd],
  ["relaxed", relaxed],
] as const)("gemvPacked, %s", (_build, backend) => {
  const named = Object.keys(storedWeights)
    .flatMap((name) => shapes.map((shape) => [name, shape] as const))
    .filter(([name, [, , k]]) => !/^q/.test(name) || k % 32 === 0);
  const wide = Object.keys(wideStoredWeights).flatMap((name) => wideShapes.map((shape) => [name, shape] as const));

  it.each([...named, ...wide])("%s %j", (name, [m, n, k]) => {
    const [x, w] = [draw([m, k], 1), draw([n, k], 2).map((v) => Math.min(Math.max(v, -2), 2))];
    const run = (params: Params | null) =>
      scope(() => {
        const on = params ? backend : plain;
        const left = tensor(x, { shape: [m, k], backend: on });
        const right = stores[name](tensor(w, { shape: [n, k], backend: on }));
        return (params ? gemv(left, right, params) : matmul(left, right, { transposeB: true })).dataSync();
      });
    const expected = run(null);
    const numbers = (data: ArrayLike<number>) => ({ shape: [m, n], data });
    const whole = run({});
    expectClose("product", numbers(whole), numbers(expected), 1e-5);
    expect(run({ part: 4 })).toEqual(whole);
    const sum = Float32Array.from(expected, (v) => 3 - 0.5 * v);
    expectClose("sum", numbers(run({ alpha: -0.5, accumulate: true })), numbers(sum), 1e-5);
  });
});
