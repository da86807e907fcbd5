import { describe, expect, it } from "vitest";
import * as core from "../index.ts";
import { Generator, gradients, noGrad, randn, reference, sum, type Tensor, tensor } from "../index.ts";
import { dynamicMap } from "../packed/blockwise/eightBit.ts";
import { primitives } from "../testing/index.ts";
import { maximum } from "./binary/maximum.ts";
import { pow } from "./binary/pow.ts";
import { where } from "./binary/where.ts";
import { crossEntropy, crossEntropyBackward, crossEntropyWithRows } from "./losses/crossEntropy.ts";
import { linearCrossEntropy } from "./losses/linearCrossEntropy.ts";
import { adamStep } from "./optimizers/adamStep.ts";
import { adamStep8bit } from "./optimizers/adamStep8bit.ts";
import { gradNorm } from "./optimizers/gradNorm.ts";
import { lionStep } from "./optimizers/lionStep.ts";
import { quantize4bit } from "./quantized/quantize4bit.ts";
import { quantizeBlockwise } from "./quantized/quantizeBlockwise.ts";
import { keptTokens } from "./random/keptTokens.ts";
import { sampleTokens } from "./random/sampleTokens.ts";
import { softmax } from "./reductions/softmax.ts";
import { topk } from "./reductions/topk.ts";
import { cat } from "./shapes/cat.ts";
import { place } from "./shapes/slice.ts";
import { expm1 } from "./unary/expm1.ts";
import { log1p } from "./unary/log1p.ts";
import { maxPool2d } from "./windows/maxPool2d.ts";
import { fold, unfold } from "./windows/unfold.ts";

const numbers = (t: Tensor) => Array.from(t.dataSync(), Number);

function expectNear(actual: readonly number[], expected: readonly number[], digits = 5): void {
  expect(actual.length).toBe(expected.length);
  for (const [i, v] of expected.entries()) expect(actual[i]).toBeCloseTo(v, digits);
}

/** Returns the loss of one row of logits and its gradient, by the definition. */
function lossOfRow(logits: readonly number[], label: number, smoothing = 0): { loss: number; gradient: number[] } {
  const total = logits.reduce((a, x) => a + Math.exp(x), 0);
  const targets = logits.map((_, i) => smoothing / logits.length + (i === label ? 1 - smoothing : 0));
  const loss = logits.reduce((a, x, i) => a - (targets[i] === 0 ? 0 : targets[i] * (x - Math.log(total))), 0);
  return { loss, gradient: logits.map((x, i) => Math.exp(x) / total - targets[i]) };
}

describe.each(Object.entries({ reference, primitives }))("on %s", (_name, make) => {
  const backend = make();
  const random = (seed: number, ...shape: number[]) => randn(shape, { generator: new Generator(seed), backend });
  const f32 = (values: Parameters<typeof tensor>[0], shape?: number[]) => tensor(values, { shape, backend });
  const i32 = (...values: number[]) => tensor(values, { dtype: "i32", backend });

  it("pow is C's at special values", () => {
    const cases = [
      [1, Number.NaN, 1],
      [1, Infinity, 1],
      [1, -Infinity, 1],
      [-1, Infinity, 1],
      [-1, -Infinity, 1],
      [-1, 3, -1],
      [-1, 0.5, Number.NaN],
      [2, Infinity, Infinity],
      [0.5, Infinity, 0],
      [-2, Infinity, Infinity],
      [Number.NaN, 0, 1],
      [Number.NaN, 2, Number.NaN],
      [2, Number.NaN, Number.NaN],
      [0, 2, 0],
      [3, 2, 9],
    ];
    const [a, b] = [0, 1].map((k) => f32(cases.map((one) => one[k])));
    expect(numbers(pow(a, b))).toEqual(cases.map(([, , result]) => result));
  });

  it("both operands of maximum get gradients, half of it where they are equal", () => {
    const [a, b] = [f32([1, 2, 3]), f32([3, 2, 1])];
    for (const t of [a, b]) t.requiresGrad = true;
    expect(gradients(sum(maximum(a, b)), [a, b]).map(numbers)).toEqual([
      [0, 0.5, 1],
      [1, 0.5, 0],
    ]);
  });

  it("where refuses operands of other dtypes, or of two", () => {
    const condition = tensor([true], { dtype: "bool", backend });
    const half = core.ones([1], { dtype: "bf16", backend });
    expect(() => where(condition, half, half)).toThrow("where: input 1 [1] is bf16, expected f32 or i32");
    expect(() => where(condition, f32([1]), i32(1))).toThrow("where: input 2 [1] is i32, expected f32");
    expect(() => where(condition, i32(1), f32([1]))).toThrow("where: input 2 [1] is f32, expected i32");
    expect(() => where(f32([1]), f32([1]), f32([1]))).toThrow("where: input 0 [1] is f32, expected bool or u8");
  });

  it.each([0, 0.3])("crossEntropy with a smoothing of %d is the definition, and its gradient", (labelSmoothing) => {
    const rows = [[0.5, -1, 2], [1, 0, -2], [0.25, 3, 1]]; // biome-ignore format: rows
    const labels = [2, -100, 0];
    const logits = f32(rows);
    const [first, , third] = rows.map((row, i) => lossOfRow(row, labels[i], labelSmoothing));
    const options = { labelSmoothing };
    for (const [reduction, scale] of [
      ["mean", 0.5],
      ["sum", 1],
    ] as const) {
      // biome-ignore format: rows
      const [loss, sums] = crossEntropyWithRows(logits, i32(...labels), { ...options, reduction });
      expectNear(numbers(loss), [(first.loss + third.loss) * scale]);
      const log = (row: number[]) => Math.log(row.reduce((a, x) => a + Math.exp(x - Math.max(...row)), 0));
      expectNear(numbers(sums), [2, log(rows[0]), 0, 0, 3, log(rows[2])]);
      const found = crossEntropyBackward(f32(1), logits, i32(...labels), sums, { ...options, reduction });
      expectNear(
        numbers(found),
        [...first.gradient, 0, 0, 0, ...third.gradient].map((v) => v * scale),
      );
    }
    // One row, with a label that is a scalar.
    const one = tensor(1, { dtype: "i32", backend });
    const row = f32(rows[0]);
    row.requiresGrad = true;
    const loss = crossEntropy(row, one, options);
    const expected = lossOfRow(rows[0], 1, labelSmoothing);
    expectNear(numbers(loss), [expected.loss]);
    expectNear(numbers(gradients(loss, [row])[0]), expected.gradient);
  });

  it("crossEntropy of a class without probability is that of the others", () => {
    const logits = f32([[0, -Infinity, 0]]);
    expectNear(numbers(crossEntropy(logits, i32(0))), [Math.log(2)]);
  });

  it("linearCrossEntropy has the gradients of crossEntropy of the product, and theirs", () => {
    const [hidden, weight] = [random(1, 3, 4), random(2, 5, 4)];
    const labels = i32(1, -100, 4);
    for (const t of [hidden, weight]) t.requiresGrad = true;
    const whole = () => crossEntropy(core.matmul(hidden, weight, { transposeB: true }), labels);
    const fused = () => linearCrossEntropy(hidden, weight, labels);
    expectNear(numbers(fused()), numbers(whole()));
    for (const createGraph of [false, true]) {
      const [own, composed] = [fused, whole].map((loss) => {
        const first = gradients(loss(), [hidden, weight], { createGraph });
        if (!createGraph) return first.flatMap(numbers);
        const squares = first.map((t) => sum(t.mul(t))).reduce((a, b) => a.add(b));
        return gradients(squares, [hidden, weight]).flatMap(numbers);
      });
      expectNear(own, composed);
    }
    expect(() => linearCrossEntropy(f32(1), weight, i32())).toThrow(
      "linearCrossEntropy: hidden [] must end in the width of the weight [5,4]",
    );
  });

  it("adamStep adds the decay of the parameter to the gradient unless it is decoupled", () => {
    const [lr, beta1, beta2, eps] = [0.1, 0.9, 0.99, 1e-8];
    for (const decoupled of [false, true]) {
      for (const weightDecay of [0, 0.5, 1]) {
        const tensors = [2, 3].flatMap((p) => [f32([p]), f32([0.5]), f32([0.2]), f32([0.3])]);
        adamStep(...tensors, { lr, beta1, beta2, eps, weightDecay, step: 2, decoupled });
        for (const [n, p] of [2, 3].entries()) {
          const g = 0.5 + (decoupled ? 0 : weightDecay * p);
          const m = beta1 * 0.2 + (1 - beta1) * g;
          const v = beta2 * 0.3 + (1 - beta2) * g * g;
          const step = (lr * (m / (1 - beta1 ** 2))) / (Math.sqrt(v / (1 - beta2 ** 2)) + eps);
          const [found, , first, second] = tensors.slice(4 * n, 4 * n + 4).map((t) => numbers(t)[0]);
          expectNear([found, first, second], [p * (decoupled ? 1 - lr * weightDecay : 1) - step, m, v]);
        }
      }
    }
  });

  it("lionStep moves against the sign of the mixed average, and shrinks the parameter", () => {
    const [p, g, average] = [f32([2, 2, 2]), f32([1, -9, 0]), f32([-0.5, 0.5, 0])];
    lionStep(p, g, average, { lr: 0.1, beta1: 0.9, beta2: 0.5, weightDecay: 0.2 });
    // The mixed averages are -0.35, -0.45 and 0.
    expectNear(numbers(p), [1.96 + 0.1, 1.96 + 0.1, 1.96]);
    expectNear(numbers(average), [0.25, -4.25, 0]);
  });

  it("gradNorm is 0 without elements, and squares do not overflow", () => {
    expect(numbers(gradNorm(f32([])))).toEqual([0]);
    expectNear(numbers(gradNorm(f32([0.3, 0.4]))), [0.5]);
    expect(numbers(gradNorm(f32([3e30]), f32([4e30])))[0] / 5e30).toBeCloseTo(1, 5);
    expect(numbers(gradNorm(f32([0, 0])))).toEqual([0]);
    expect(numbers(gradNorm(f32([Infinity, 1])))).toEqual([Infinity]);
  });

  it("quantizeBlockwise encodes zeros and blocks whose largest magnitude is 1, and names a broken first element", () => {
    const code = f32(dynamicMap());
    const [q, scales] = quantizeBlockwise(f32([0, 0, 1, -1, 0.5]), code, { blockSize: 2 });
    expect(numbers(scales)).toEqual([0, 1, 0.5]);
    const [none, noScales] = quantizeBlockwise(f32([]), code, { blockSize: 2 });
    expect([none.shape, noScales.shape]).toEqual([[0], [0]]);
    const map = dynamicMap();
    expect(numbers(q)).toEqual([0, 0, 255, map.indexOf(Math.max(...map.filter((v) => v < -0.98))), 255]);
    const run = () => numbers(quantizeBlockwise(f32([Number.NaN, 1]), code, { blockSize: 2 })[0]);
    expect(run).toThrow("quantizeBlockwise: the elements 0 to 1 hold a NaN or an infinity");
  });

  it("softmax of large values does not overflow, wherever the largest is", () => {
    expect(numbers(softmax(f32([1000, 0]), { dim: 0 }))).toEqual([1, 0]);
    expect(numbers(core.logSoftmax(f32([1000, 0]), { dim: 0 }))).toEqual([0, -1000]);
    expect(numbers(softmax(f32([0, 1000]), { dim: 0 }))).toEqual([0, 1]);
  });

  it("topk takes NaN before infinity, and of equal elements the first", () => {
    const [inf, nan] = [Infinity, Number.NaN];
    const x = f32([[1, inf], [inf, 5], [nan, nan], [inf, inf], [2, 5]]); // biome-ignore format: rows
    const [values, positions] = topk(x, { k: 5, dim: 0 });
    expect(numbers(values)).toEqual([nan, nan, inf, inf, inf, inf, 2, 5, 1, 5]);
    expect(numbers(positions)).toEqual([2, 2, 1, 0, 3, 3, 4, 1, 0, 4]);
    expect(topk(f32([3, 7]), { k: 1, dim: 0 }).map(numbers)).toEqual([[7], [1]]);
    expect(topk(f32([7]), { k: 1, dim: 0 }).map(numbers)).toEqual([[7], [0]]);
    expect(topk(f32([3, 7]), { k: 0, dim: 0 }).map((t) => [t.shape, t.dtype])).toEqual([[[0], "f32"], [[0], "i32"]]); // biome-ignore format: rows
  });

  it("cat of one tensor passes its gradient", () => {
    const x = f32([1, 2]);
    x.requiresGrad = true;
    expect(numbers(gradients(sum(cat(x, { dim: 0 }).mul(3)), [x])[0])).toEqual([3, 3]);
  });

  it("to gives booleans 0 and 1, and the nearest integer of the range", () => {
    const x = f32([0, 5, Number.NaN, 1e10, -1e10, 300, -3]);
    expect(numbers(core.to(x, { dtype: "bool" }))).toEqual([0, 1, 1, 1, 1, 1, 1]);
    expect(numbers(core.to(x, { dtype: "i32" })).slice(3)).toEqual([2 ** 31 - 1, -(2 ** 31), 300, -3]);
    expect(numbers(core.to(x, { dtype: "u8" })).slice(3)).toEqual([255, 0, 255, 0]);
  });

  it("expm1 and log1p are accurate near 0 and far from it, also composed", () => {
    const values = [-0.99, -0.5, -1e-8, 0, 1e-8, 1e-3, 0.5, 0.99, 1, 1.5, 3];
    for (const [op, f] of [
      [expm1, Math.expm1],
      [log1p, Math.log1p],
    ] as const) {
      // biome-ignore format: rows
      const composed = op.definition.compose?.([f32(values)], undefined) as Tensor;
      for (const found of [op(f32(values)), composed]) {
        for (const [i, v] of numbers(found).entries()) {
          const expected = f(Math.fround(values[i]));
          expect(Math.abs(v - expected)).toBeLessThanOrEqual(1e-6 * Math.abs(expected));
        }
      }
    }
  });

  it("place puts no element anywhere, also beyond the end", () => {
    expect(numbers(place(f32([]), { dim: 0, size: 3, start: 4 }))).toEqual([0, 0, 0]);
    expect(numbers(place(f32([7]), { dim: 0, size: 3, start: 2 }))).toEqual([0, 0, 7]);
    expect(() => place(f32([7]), { dim: 0, size: 3, start: 3 })).toThrow("place: 1 elements from 3 in steps of 1");
  });

  it("windows need a height and a width", () => {
    const params = { kernelSize: [3, 3], stride: [1, 1], padding: [1, 1], dilation: [1, 1] } as const;
    expect(() => unfold(f32([1, 2, 3]), params)).toThrow("unfold: [3] has no height and width; give [..., H, W]");
    expect(() => fold(f32([1, 2, 3]), { ...params, outputSize: [2, 2] })).toThrow("fold: [3] are not the windows of");
    const low = -Infinity;
    const [values, positions] = maxPool2d(f32([[low, low], [low, 1]]), params); // biome-ignore format: rows
    expect(numbers(values)).toEqual([1, 1, 1, 1]);
    expect(numbers(positions)).toEqual([3, 3, 3, 3]);
    const none = maxPool2d(f32([[low, low], [low, low]]), params); // biome-ignore format: rows
    expect(none.map(numbers)).toEqual([new Array(4).fill(low), [0, 0, 0, 0]]);
  });

  it("linearCrossEntropy computes only the gradients that are needed", () => {
    const wanted: unknown[] = [];
    const watched: core.Backend = {
      ...backend,
      supports: () => true,
      run: (op, inputs, outputs, params) => {
        if (op.name === "linearCrossEntropy") wanted.push((params as { wants: unknown }).wants);
        reference().run(op, inputs, outputs, params);
      },
    };
    const made = (...shape: number[]) => randn(shape, { generator: new Generator(1), backend: watched });
    const [hidden, weight] = [made(2, 4), made(5, 4)];
    const labels = tensor([1, 2], { dtype: "i32", backend: watched });
    hidden.requiresGrad = true;
    linearCrossEntropy(hidden, weight, labels);
    noGrad(() => linearCrossEntropy(hidden, weight, labels));
    weight.requiresGrad = true;
    linearCrossEntropy(hidden.detach(), weight, labels);
    expect(wanted).toEqual([
      { hidden: true, weight: false },
      { hidden: false, weight: false },
      { hidden: false, weight: true },
    ]);
  });

  it("keptTokens with topP 1 keeps tokens after those whose sum rounds to 1", () => {
    expect(numbers(keptTokens(f32([[0, -40]]), { minP: 1e-30 }) as Tensor)).toEqual([1, 1]);
    expect(numbers(keptTokens(f32([[0, -40]]), { topP: 0.999 }) as Tensor)).toEqual([1, 0]);
  });

  it("sampleTokens advances the generator by the rows, and a row without a choice gives -1", () => {
    const generator = new Generator(3);
    const before = generator.offset;
    const low = -Infinity;
    const rows = [[0, low, low], [low, low, 0], [low, low, low], [0, Number.NaN, 0], [0, Infinity, 0]]; // biome-ignore format: rows
    const tokens = noGrad(() => sampleTokens(f32(rows), { generator }));
    expect(numbers(tokens)).toEqual([0, 2, -1, -1, -1]);
    expect(generator.offset - before).toBe(5);
  });
});

it("adamStep8bit of the composition has the codes of the kernel", () => {
  const size = 300;
  const settings = { lr: 0.1, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0.3, step: 3 };
  const uniform = new Float32Array(3 * size);
  new Generator(9).fillUniform(uniform, 0, 1);
  const results = [reference(), primitives()].map((backend) => {
    const f32 = (length: number, value: (i: number) => number) =>
      tensor(
        Float32Array.from({ length }, (_, i) => value(i)),
        { backend },
      );
    const u8 = (value: (i: number) => number) =>
      tensor(
        Uint8Array.from({ length: size }, (_, i) => value(i)),
        { backend },
      );
    // Gradients of many magnitudes, so that small moments show the grid on which they are rounded.
    const gradient = (i: number) => (i & 1 ? 1 : -1) * 10 ** (-4 * uniform[i]);
    const tables = [true, false].map((signed) => tensor(dynamicMap({ signed }), { backend }));
    const inputs = [
      f32(size, (i) => uniform[size + i]),
      f32(size, gradient),
      u8((i) => (i * 7) & 255),
      u8((i) => (i * 3) & 255),
      f32(2, (i) => 0.01 + i),
      f32(2, (i) => 1e-4 + i),
      ...tables,
    ];
    adamStep8bit(...inputs, settings);
    return inputs.map(numbers);
  });
  const [own, composed] = results;
  for (const i of [2, 3]) {
    expect(composed[i].filter((code, at) => code !== own[i][at]).length).toBeLessThanOrEqual(1);
  }
  for (const i of [0, 4, 5]) expectNear(composed[i], own[i]);
});

it("quantize4bit names a broken first element, and scales whose mean overflows", () => {
  const backend = reference();
  const quantized = (values: number[], doubleQuant: boolean) =>
    quantize4bit(tensor(values, { shape: [1, 64], backend }), { doubleQuant });
  const weight = new Array<number>(64).fill(1);
  expect(() => quantized(weight.with(0, Number.NaN), false)).toThrow(
    "quantize4bit: the elements 0 to 63 hold a NaN or an infinity; the weight seems to be broken",
  );
  expect(() => quantized(weight, true)).not.toThrow();
});
