import {
  type Backend,
  copyInto,
  crossEntropy,
  dropout,
  embedding,
  Generator,
  geglu,
  layerNorm,
  linearCrossEntropy,
  logSoftmax,
  rmsNorm,
  rope,
  ropeTables,
  softmax,
  swiglu,
  type Tensor,
  tensor,
  to,
} from "@lowrank/core";
import {
  adagradStep,
  adamStep,
  addInto,
  cacheWrite,
  clipToNorm,
  gradNorm,
  loraLinear,
  rmspropStep,
  scaleInPlace,
  sgdStep,
} from "@lowrank/core/internal";
import { describe, expect, it } from "vitest";
import { backends, close, type Input, numbers, random, run, same } from "./testing/sameOnBackends.ts";

describe("rows", () => {
  for (const n of [1, 3, 4, 7, 16, 19, 300, 1021]) {
    it(`of ${n}`, async () => {
      const x = random([3, n], 1, 3);
      await same([x], ([t]) => softmax(t, { dim: -1 }));
      await same([x], ([t]) => logSoftmax(t, { dim: -1 }));
      await same([random([2, n, 3], 1, 3)], ([t]) => softmax(t, { dim: 1 }));
      await same([random([n, 5], 1, 3)], ([t]) => logSoftmax(t, { dim: 0 }));
      await same([random([70, n], 1), random([n], 2)], ([t, w]) => rmsNorm(t, w, { eps: 1e-6 }), 1e-5);
      const norm = [random([70, n], 1), random([n], 2), random([n], 3)];
      await same(norm, ([t, w, b]) => layerNorm(t, w, b, { eps: 1e-3 }), 2e-5);
      await same([random([n, 3], 1, 4), random([n, 3], 2)], ([g, u]) => swiglu(g, u));
      for (const approximate of ["none", "tanh"] as const) {
        await same([random([n, 3], 1, 3), random([n, 3], 2)], ([g, u]) => geglu(g, u, { approximate }));
      }
      await same([random([n, 6], 1), { shape: [4], data: Int32Array.of(0, n - 1, 0, n >> 1) }], ([w, i]) =>
        embedding(w, i),
      );
      const labels: Input = { shape: [4], data: Int32Array.of(0, -100, n - 1, n >> 1) };
      for (const reduction of ["mean", "sum", "none"] as const) {
        const params = { reduction, labelSmoothing: reduction === "sum" ? 0.1 : 0 };
        await same([random([4, n], 1, 3), labels], ([t, y]) => crossEntropy(t, y, params));
      }
      await same([random([4, 6], 1), random([n, 6], 2), labels], ([t, w, y]) => linearCrossEntropy(t, w, y), 1e-5);
    });
  }

  it("with extreme numbers", async () => {
    const data = Float32Array.of(1e4, -1e4, 0, 88, -Infinity, 5, 3e38, -3e38, 1, 0, 0, 0, 1, Number.NaN, 2, 3);
    await same([{ shape: [4, 4], data }], ([t]) => softmax(t, { dim: -1 }));
    await same([{ shape: [4, 4], data: data.slice() }], ([t]) => logSoftmax(t, { dim: -1 }));
    const labels: Input = { shape: [4], data: Int32Array.of(0, 1, 2, 3) };
    await same([{ shape: [4, 4], data }, labels], ([t, y]) => crossEntropy(t, y, { reduction: "none" }));
    const wide = Float32Array.of(0, -0, 100, -100, 1e30, 3, Number.NaN);
    await same([{ shape: [7], data: wide }, random([7], 1)], ([g, u]) => swiglu(g, u));
    await same([{ shape: [7], data: wide }, random([7], 1)], ([g, u]) => geglu(g, u, {}));
  });

  it("are NaN where no label counts, as in PyTorch", async () => {
    const labels: Input = { shape: [2], data: Int32Array.of(-100, -100) };
    await same([random([2, 5], 1), labels], ([t, y]) => crossEntropy(t, y));
    await same([random([2, 5], 1), random([7, 5], 2), labels], ([t, w, y]) => linearCrossEntropy(t, w, y));
  });

  it("go through in chunks without the logits in memory", async () => {
    const rows = 600;
    const labels: Input = {
      shape: [2, rows / 2],
      data: Int32Array.from({ length: rows }, (_, i) => (i % 3 ? i % 11 : -1)),
    };
    const inputs = [random([2, rows / 2, 6], 1), random([11, 6], 2), labels];
    await same(inputs, ([t, w, y]) => linearCrossEntropy(t, w, y, { ignoreIndex: -1, labelSmoothing: 0.1 }), 1e-5);
  });

  it("multiply several blocks of rows with several of classes", async () => {
    const labels: Input = { shape: [700], data: Int32Array.from({ length: 700 }, (_, i) => (i * 7) % 900) };
    const inputs = [random([700, 6], 1), random([900, 6], 2), labels];
    await same(inputs, ([t, w, y]) => linearCrossEntropy(t, w, y), 1e-5);
  });

  it("geglu names what it does not know", () => {
    const [x, y] = [[2], [3]].map((shape) => tensor(numbers(shape, 1), { shape, backend: backends.simd }));
    expect(() => geglu(x, y, {})).toThrow("geglu: shapes [2] and [3] differ");
    expect(() => geglu(x, x, { approximate: "new" as "tanh" })).toThrow(
      'geglu: approximate is "new"; give "none" or "tanh"',
    );
  });

  it("name what is out of range", async () => {
    for (const backend of Object.values(backends)) {
      const weight = tensor(numbers([3, 2], 1), { shape: [3, 2], backend });
      const ids = tensor(Int32Array.of(1, 7), { backend });
      expect(() => embedding(weight, ids)).toThrow(/id 7 at position 1 is outside the table of 3 rows/);
      const logits = tensor(numbers([2, 3], 1), { shape: [2, 3], backend });
      expect(() => crossEntropy(logits, ids)).toThrow(/label 7 at position 1 is none of the 3 classes/);
      expect(() => linearCrossEntropy(logits, tensor(numbers([5, 3], 1), { shape: [5, 3], backend }), ids)).toThrow(
        /label 7/,
      );
    }
  });
});

describe("rope", () => {
  for (const [size, rotated] of [
    [8, 8],
    [10, 6],
    [64, 64],
    [7, 2],
  ]) {
    it(`turns ${rotated} of ${size} numbers`, async () => {
      const frequencies = Array.from({ length: rotated / 2 }, (_, i) => 1 / (i + 1));
      await same([random([2, 5, 3, size], 1)], ([x]) => {
        const { cos, sin } = ropeTables(frequencies, 9);
        return rope(x, cos, sin, { offset: 4 });
      });
      const positions: Input = { shape: [2, 5], data: Int32Array.of(0, 0, 0, 1, 2, 0, 1, 2, 3, 4) };
      await same([random([2, 5, 3, size], 1), positions], ([x, p]) => {
        const { cos, sin } = ropeTables(frequencies, 9);
        return rope(x, embedding(cos, p), embedding(sin, p), {});
      });
    });
  }
});

describe("products and noise", () => {
  it("loraLinear", async () => {
    const inputs = [random([2, 5, 12], 1), random([9, 12], 2), random([3, 12], 3), random([9, 3], 4)];
    await same(inputs, ([x, w, a, b]) => loraLinear(x, w, a, b, { scaling: 0.5 }), 1e-5);
  });

  it("dropout zeroes the same numbers everywhere and moves the generator on", async () => {
    const seen: ArrayLike<number>[] = [];
    for (const name of ["reference", "relaxed", "simd"] as const) {
      const generator = new Generator(2 ** 40 + 7).fork(3);
      generator.offset = 2 ** 35 + 5;
      const [first, , second] = [
        ...(await run(name, [random([37], 1)], ([x]) => dropout(x, { p: 0.3, generator }))),
        ...(await run(name, [random([37], 1)], ([x]) => dropout(x, { p: 0.3, generator }))),
      ];
      expect(generator.offset).toBe(2 ** 35 + 5 + 2 * 37);
      expect([...(second as Float32Array)]).not.toEqual([...(first as Float32Array)]);
      seen.push(first);
    }
    for (const values of seen.slice(1)) close(values, seen[0], 1e-7);
    const many = await run("relaxed", [{ shape: [20000], data: new Float32Array(20000).fill(1) }], ([x]) =>
      dropout(x, { p: 0.25, generator: new Generator(1) }),
    );
    const kept = [...(many[0] as Float32Array)].filter((v) => v !== 0);
    expect(kept.length / 20000).toBeCloseTo(0.75, 1);
    expect(kept.every((v) => Math.abs(v - 4 / 3) < 1e-6)).toBe(true);
    const none = await run("relaxed", [random([5], 1)], ([x]) => dropout(x, { p: 1, generator: new Generator(1) }));
    expect([...(none[0] as Float32Array)].every((v) => v === 0)).toBe(true);
  });
});

describe("to", () => {
  const dtypes = ["f32", "f16", "bf16", "i32", "u8", "bool"] as const;
  const edges = [
    0,
    -0,
    1.5,
    -1.5,
    2.5,
    254.9,
    256,
    -1,
    65504,
    65519,
    65520,
    1e-8,
    6e-8,
    -3e-5,
    6.1e-5,
    1 + 2 ** -11,
    3e9,
  ];
  const data = Float32Array.of(
    ...edges,
    -3e9,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    1e-40,
    1.00390625,
    1.01171875,
    3.4e38,
  );
  for (const from of dtypes) {
    for (const dtype of dtypes) {
      it(`${from} to ${dtype}`, () => {
        const cast = (backend: Backend) => to(to(tensor(data, { backend }), { dtype: from }), { dtype }).dataSync();
        const expected = cast(backends.reference);
        for (const build of ["relaxed", "simd"] as const) expect(cast(backends[build])).toEqual(expected);
      });
    }
  }

  it("has a gradient in the dtype it came from", async () => {
    await same([random([9], 1)], ([x]) => to(to(x, { dtype: "bf16" }), { dtype: "f32" }));
  });
});

describe("in place", () => {
  const steps: Record<string, (t: Tensor[]) => void> = {
    adamStep: ([p, g, m, v]) => {
      for (const step of [1, 2]) {
        const moments = { beta1: 0.9, beta2: 0.99, eps: 1e-8, step };
        adamStep(p, g, m, v, { lr: 0.1, weightDecay: 0.1, decoupled: step > 1, ...moments });
      }
    },
    sgdStep: ([p, g, m]) => {
      const settings = { lr: 0.1, weightDecay: 0.1, momentum: 0.9, dampening: 0.2, nesterov: false };
      sgdStep(p, g, settings as never as { first: boolean } & typeof settings);
      for (const first of [true, false]) sgdStep(p, g, m, { ...settings, first, nesterov: first });
    },
    adagradStep: ([p, g, , v]) => adagradStep(p, g, v, { lr: 0.1, weightDecay: 0.1, eps: 1e-10 }),
    rmspropStep: ([p, g, m, v]) => {
      const settings = { lr: 0.1, weightDecay: 0.1, alpha: 0.9, eps: 1e-8, momentum: 0.5 };
      rmspropStep(p, g, v, settings);
      rmspropStep(p, g, v, m, settings);
    },
    clipToNorm: ([p, g]) => {
      clipToNorm(p, gradNorm(p, g), { maxNorm: 1 });
      clipToNorm(g, gradNorm(p, g), { maxNorm: 1000 });
    },
    others: ([p, g, m, v]) => {
      addInto(p, g, { alpha: -0.5 });
      addInto(p, m, {});
      scaleInPlace(m, { factor: 3 });
      copyInto(v, p);
    },
  };

  it.each(Object.keys(steps))("%s", async (name) => {
    const results: ArrayLike<number>[][] = [];
    for (const backend of Object.values(backends)) {
      const tensors = [1, 2, 3, 4].map((seed) => {
        const data = numbers([37], seed);
        return tensor(seed === 4 ? data.map(Math.abs) : data, { backend });
      });
      steps[name](tensors);
      results.push(tensors.map((t) => t.dataSync()));
    }
    for (const actual of results.slice(1))
      for (const [i, values] of actual.entries()) close(values, results[0][i], 2e-6);
  });

  it("adamStep and clipToNorm do with many tensors what they do with each, to the bit", () => {
    const settings = { lr: 0.1, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0.1, step: 2, decoupled: true };
    const sizes = [1, 1023, 0, 5000, 7, 1024, 2049];
    for (const backend of Object.values(backends)) {
      const make = () =>
        sizes.map((size, i) =>
          [1, 2, 3, 4].map((k) => tensor(numbers([size], 4 * i + k).map(k === 4 ? Math.abs : (v) => v), { backend })),
        );
      const [together, apart] = [make(), make()];
      adamStep(...together.flat(), settings);
      for (const [p, g, m, v] of apart) adamStep(p, g, m, v, settings);
      const norm = tensor([3], { shape: [], backend });
      clipToNorm(...together.map(([, g]) => g), norm, { maxNorm: 1 });
      for (const [, g] of apart) clipToNorm(g, norm, { maxNorm: 1 });
      expect(together.flat().map((t) => t.dataSync())).toEqual(apart.flat().map((t) => t.dataSync()));
    }
  });

  it("adamStep takes whole groups of tensors of one shape", () => {
    const [a, b] = [[2], [3]].map((shape) => tensor(numbers(shape, 1), { shape, backend: backends.simd }));
    const settings = { lr: 0.1, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0.1, step: 2, decoupled: true };
    expect(() => adamStep(a, a, a, settings)).toThrow("adamStep: 3 tensors; give 4 for each parameter");
    expect(() => adamStep(a, a, a, a, b, b, a, b, settings)).toThrow("adamStep: parameter [3] and input 6 [2] differ");
    expect(() => clipToNorm(a, b, { maxNorm: 1 })).toThrow("clipToNorm: the norm [3] must be a scalar");
  });

  it("cacheWrite puts rows where each sequence stands", async () => {
    for (const backend of Object.values(backends)) {
      const cache = tensor(new Float32Array(2 * 4 * 3), { shape: [2, 4, 1, 3], backend });
      const rows = tensor(
        Float32Array.from({ length: 12 }, (_, i) => i + 1),
        { shape: [2, 2, 1, 3], backend },
      );
      cacheWrite(cache, rows, { position: [2, 0] });
      expect([...cache.dataSync()]).toEqual([
        0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 0, 0, 0, 0, 0,
      ]);
      expect(() => cacheWrite(cache, rows, { position: 3 })).toThrow(/rows 3..4 are outside the cache's 4 rows/);
    }
  });
});
