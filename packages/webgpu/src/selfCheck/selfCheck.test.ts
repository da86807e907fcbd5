import {
  add,
  type Backend,
  defineOp,
  dynamicMap,
  embedding,
  full,
  linearCrossEntropy,
  matmul,
  noGrad,
  type Op,
  quantize4bit,
  reference,
  rmsNorm,
  softmax,
  type Tensor,
  tensor,
} from "@lowrank/core";
import {
  adagradStep,
  adamStep,
  adamStep8bit,
  cacheWrite,
  loraLinear,
  lowRankRows,
  rmspropStep,
  sgdStep,
} from "@lowrank/core/internal";
import { noWebGpu } from "@lowrank/test-support/webgpu";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { openDevice } from "../device/openDevice.ts";
import { entry, kernel, shader, spread, type WebGpuBackend, webgpu } from "../index.ts";
import { watchedDevice } from "../testing/watchedDevice.ts";

const row = (backend: Backend) => tensor([[1, -2, 3, 0.5]], { backend });

/** Calls of several ops, one of them with a packed weight. */
const work = (backend: Backend): void => {
  const x = full([2, 64], 0.5, { backend });
  rmsNorm(row(backend), full([4], 1, { backend }), { eps: 1e-6 });
  softmax(row(backend), { dim: 1 });
  embedding(row(backend), tensor([0], { dtype: "i32", backend }));
  matmul(x, quantize4bit(full([3, 64], 0.3, { backend }), {}), { transposeB: true });
};

/** A kernel with an error in its text, and a call that reveals it. */
interface BrokenKernel {
  readonly kind: string;
  readonly words: string;
  readonly instead: string;
  readonly run: (backend: Backend) => Tensor;
}

/** A matrix of distinct values. */
const matrix = (backend: Backend, rows: number, columns: number): Tensor =>
  tensor(
    Array.from({ length: rows * columns }, (_, i) => Math.sin(i + rows)),
    { backend },
  ).reshape([rows, columns]);

const settings = { lr: 0.1, weightDecay: 0.1 };

const brokenKernels: readonly BrokenKernel[] = [
  {
    kind: '"loraLinear" of f32 and nf4',
    words: "u.scale * s",
    instead: "1.01 * u.scale * s",
    run: (on) => {
      const w = quantize4bit(matrix(on, 8, 32), { blockSize: 32 });
      return loraLinear(matrix(on, 2, 32), w, matrix(on, 4, 32), matrix(on, 8, 4), { scaling: 2 }).reshape([-1]);
    },
  },
  {
    kind: '"lowRankRows" of f32',
    words: "u.scale * s",
    instead: "1.01 * u.scale * s",
    run: (on) => {
      const inputs = [matrix(on, 3, 5), matrix(on, 3, 6), matrix(on, 2, 6), matrix(on, 5, 2)];
      return lowRankRows(...inputs, { rows: [[0, 2]], scalings: [2] }).reshape([-1]);
    },
  },
  {
    kind: '"linearCrossEntropy" of f32 and i32',
    words: "loss[0] = shared_values[0]",
    instead: "loss[0] = 1.01 * shared_values[0]",
    run: (on) => {
      const labels = tensor([1, 4], { dtype: "i32", backend: on });
      return linearCrossEntropy(matrix(on, 2, 8), matrix(on, 5, 8), labels).reshape([1]);
    },
  },
  {
    kind: '"adamStep" of f32',
    words: "let moved = p[index] * u.shrink",
    instead: "let moved = 1.01 * p[index] * u.shrink",
    run: (on) => {
      const [p, grad, m, v] = [1, 2, 3, 4].map((value) => full([3], value, { backend: on }));
      const adam = { ...settings, beta1: 0.9, beta2: 0.99, eps: 1e-8, step: 2, decoupled: true };
      noGrad(() => adamStep(p, grad, m, v, adam));
      return p;
    },
  },
  {
    kind: '"sgdStep" of f32',
    words: "var change = next;",
    instead: "var change = 1.01 * next;",
    run: (on) => {
      const [p, grad, buffer] = [1, 2, 3].map((value) => full([3], value, { backend: on }));
      const sgd = { ...settings, momentum: 0.9, dampening: 0, nesterov: false, first: false };
      noGrad(() => sgdStep(p, grad, buffer, sgd));
      return p;
    },
  },
  {
    kind: '"adagradStep" of f32',
    words: "let squares = sum[index] + g * g;",
    instead: "let squares = sum[index] + 1.01 * g * g;",
    run: (on) => {
      const [p, grad, sum] = [1, 2, 3].map((value) => full([3], value, { backend: on }));
      noGrad(() => adagradStep(p, grad, sum, { ...settings, eps: 1e-8 }));
      return p;
    },
  },
  {
    kind: '"rmspropStep" of f32',
    words: "let next = u.momentum * buffer[index]",
    instead: "let next = 1.01 * u.momentum * buffer[index]",
    run: (on) => {
      const [p, grad, mean, buffer] = [1, 2, 3, 4].map((value) => full([3], value, { backend: on }));
      noGrad(() => rmspropStep(p, grad, mean, buffer, { ...settings, alpha: 0.9, eps: 1e-8, momentum: 0.5 }));
      return p;
    },
  },
  {
    kind: '"adamStep8bit" of f32 and u8',
    words: "let second = u.beta2 *",
    instead: "let second = 1.1 * u.beta2 *",
    run: (on) => {
      const [p, grad, first, second] = [1, 2, 3, 4].map((value) => full([3], value, { backend: on }));
      const codes = [1, 2].map((value) => full([3], value, { dtype: "u8", backend: on }));
      const scales = [first, second].map((t) => t.slice([0, 1]));
      const tables = [true, false].map((signed) => tensor(dynamicMap({ signed }), { backend: on }));
      const adam = { ...settings, beta1: 0.9, beta2: 0.99, eps: 1e-8, step: 2 };
      noGrad(() => adamStep8bit(p, grad, ...codes, ...scales, ...tables, adam));
      return p;
    },
  },
  {
    kind: '"cacheWrite" of f32',
    words: "= rows[u.first + index]",
    instead: "= rows[u.first + index + 1u]",
    run: (on) => {
      const [cache, rows] = [matrix(on, 4, 6).reshape([2, 4, 3]), matrix(on, 2, 3).reshape([2, 1, 3])];
      noGrad(() => cacheWrite(cache, rows, { position: [3, 1] }));
      return cache.reshape([-1]);
    },
  },
];

describe.skipIf(noWebGpu)("the check of kernels by warmUp", () => {
  let device: GPUDevice;
  beforeAll(async () => {
    ({ device } = await openDevice({}));
  });
  afterAll(() => device?.destroy());
  afterEach(() => vi.restoreAllMocks());

  /** Returns a backend on which kernels with these words in their text have an error of a thousandth. */
  const broken = (words: string, instead: string): Promise<WebGpuBackend> =>
    webgpu({ device: watchedDevice(device, { change: (code) => code.replace(words, instead) }) });
  const warnings = () => vi.spyOn(console, "warn").mockImplementation(() => {});

  it("says nothing of kernels that are right", async () => {
    const warn = warnings();
    const backend = await webgpu({ device });
    await backend.warmUp(() => work(backend));
    expect(warn).not.toHaveBeenCalled();
    expect(backend.supports(rmsNorm.definition, [row(backend), full([4], 1, { backend })], { eps: 1e-6 })).toBe(true);
  });

  it("warns of a wrong one by its name, and other kernels do its work", async () => {
    const warn = warnings();
    const backend = await broken("* root * weight[i];", "* root * weight[i] * 1.001;");
    const norm = () => rmsNorm(row(backend), full([4], 1, { backend }), { eps: 1e-6 });
    const before = await norm().toArray();
    await backend.warmUp(() => work(backend));
    expect(warn.mock.calls.flat()).toEqual([
      expect.stringMatching(
        /^webgpu: the kernel for "rmsNorm" of f32 computes wrong values on .+; other kernels do its work/,
      ),
    ]);
    const [[first]] = (await norm().toArray()) as number[][];
    expect(first).toBeCloseTo(1 / Math.sqrt(14.25 / 4), 6);
    expect((before as number[][])[0][0]).not.toBeCloseTo(first, 4);
    await backend.warmUp(() => work(backend));
    expect(warn).toHaveBeenCalledTimes(1);
  });

  it("checks products with packed weights by the weight's dtype", async () => {
    const warn = warnings();
    const backend = await broken("return w_scale(i) *", "return 1.01 * w_scale(i) *");
    await backend.warmUp(() => work(backend));
    expect(warn.mock.calls.flat()).toEqual([expect.stringContaining('"matmul" of f32 and nf4')]);
  });

  for (const { kind, words, instead, run } of brokenKernels) {
    it(`finds a wrong kernel for ${kind}`, async () => {
      const warn = warnings();
      const expected = await run(reference()).toArray();
      const backend = await broken(words, instead);
      expect(await run(backend).toArray(), "the break shows").not.toEqual(expected);
      await backend.warmUp(() => run(backend));
      expect(warn.mock.calls.flat()).toEqual([expect.stringContaining(`the kernel for ${kind} computes wrong values`)]);
      const mended = (await run(backend).toArray()) as number[];
      for (const [i, value] of (expected as number[]).entries()) expect(mended[i]).toBeCloseTo(value, 4);
    });
  }

  it("checks a kernel of one's own by its example", async () => {
    const warn = warnings();
    const double: Op<1> = defineOp<1>({
      name: "webgpuTest/double",
      arity: 1,
      shape: ([x]) => x,
      compose: ([x]) => add(x, x),
    });
    const doubled = shader({
      name: "double",
      bindings: { x: "read f32", out: "write f32" },
      uniforms: { size: "u32" },
      code: entry(64, "if (index < u.size) { out[index] = 2.01 * x[index]; }"),
    });
    const own = kernel<typeof double>(
      "webgpuTest/double",
      ([x], [out]) => [doubled.dispatch({ x, out }, { size: x.size }, spread(x.size, 64))],
      { example: (_inputs, params) => ({ inputs: [{ shape: [5], dtype: "f32" }], params }) },
    );
    const backend = await webgpu({ device, kernels: [own] });
    const run = () => double(full([3], 1, { backend }));
    expect(await run().toArray()).not.toEqual([2, 2, 2]);
    await backend.warmUp(run);
    expect(warn.mock.calls.flat()).toEqual([expect.stringContaining('"webgpuTest/double" of f32')]);
    expect(await run().toArray()).toEqual([2, 2, 2]);
  });
});
