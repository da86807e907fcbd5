import {
  copyInto,
  Generator,
  init,
  linearCrossEntropy,
  type MatmulPrecision,
  matmul,
  noGrad,
  packedTensor,
  randn,
  scope,
  setFloat32MatmulPrecision,
  square,
  sum,
  type Tensor,
  tensor,
  to,
  withFloat32MatmulPrecision,
} from "@lowrank/core";
import { loraLinear } from "@lowrank/core/internal";
import { Parameter } from "@lowrank/nn";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { type WasmBackend, wasm } from "./index.ts";
import { difference } from "./testing/sameOnBackends.ts";

const generator = new Generator(5);
const draw = (...shape: number[]): Tensor => randn(shape, { generator });
const frozen = (t: Tensor): Parameter => new Parameter(t, { requiresGrad: false });

/** Blocks that begin with a scale of 2^-7 or a little more. */
function blocks(count: number, bytes: number): Uint8Array {
  const all = Uint8Array.from({ length: count * bytes }, (_, i) => (i * 2654435761) >>> 11);
  const halves = new Uint16Array(all.buffer);
  for (let at = 0; at < halves.length; at += bytes / 2) halves.set([0x2000 + (at % 512), 0x1c00], at);
  return all;
}

/** Runs a function under a precision; cached codes are made only under it. */
const under = withFloat32MatmulPrecision;

let backend: WasmBackend;
beforeAll(async () => {
  backend = await wasm();
  await init(backend);
});
afterEach(() => setFloat32MatmulPrecision("highest"));

describe("products of high precision", () => {
  it.each([
    [8, 128, 128],
    [9, 133, 141],
    [64, 576, 192],
    [33, 200, 1000],
    [12, 2049, 130],
    [300, 4200, 136],
  ])("of %i rows, %i numbers and %i columns differ by the rounding of codes, both ways", (rows, from, to) => {
    for (const transposeB of [true, false]) {
      const x = draw(rows, from);
      const w = frozen(transposeB ? draw(to, from) : draw(from, to));
      const run = () => matmul(x, w, { transposeB }).dataSync();
      const [exact, high] = [run(), under("high", run)];
      // Steps of codes are 3/4095 and 4/8191 of a normally distributed value; a uniform error is 0.29 of a step.
      expect(difference(high, exact)).toBeLessThan(3.5e-4);
      expect(difference(high, exact)).toBeGreaterThan(1e-5);
      expect(under("high", run)).toEqual(high);
    }
  });

  it("are exact where codes are: of integers up to 4095", () => {
    // The first element of each block gets the largest code.
    const code = (i: number, most: number) => (i % 64 === 0 ? most : ((i * 7919) % (2 * most + 1)) - most);
    const whole = (most: number, ...shape: number[]) =>
      tensor(
        Float32Array.from({ length: shape[0] * shape[1] }, (_, i) => code(i, most)),
        { shape },
      );
    const [x, w] = [whole(4095, 16, 256), frozen(whole(8191, 128, 256))];
    const [a, b] = [x.dataSync(), w.dataSync()];
    const exact = Float64Array.from({ length: 16 * 128 }, (_, at) => {
      const [i, j] = [Math.floor(at / 128), at % 128];
      let products = 0;
      for (let p = 0; p < 256; p++) products += a[256 * i + p] * b[256 * j + p];
      return products;
    });
    const high = under("high", () => matmul(x, w, { transposeB: true }).dataSync());
    // Four blocks, each rounded to f32 once, and their sum.
    expect(difference(high, exact)).toBeLessThan(1.5e-7);
  });

  it("have gradients of the same kind, and leave trained weights and factors in f32", () => {
    const [x, w, a, b] = [draw(24, 256), frozen(draw(192, 256)), draw(8, 256), draw(192, 8)];
    for (const t of [x, a, b]) t.requiresGrad = true;
    const run = () => {
      for (const t of [x, a, b]) t.grad = null;
      sum(square(loraLinear(x, w, a, b, { scaling: 0.5 }))).backward();
      return [x, a, b].map((t) => t.grad!.dataSync().slice());
    };
    const exact = run();
    const high = under("high", run);
    for (const [i, one] of high.entries()) {
      expect(difference(one, exact[i])).toBeLessThan(1e-3);
      expect(difference(one, exact[i])).toBeGreaterThan(1e-6);
    }
    w.requiresGrad = true;
    expect(under("high", run)).toEqual(exact);
  });

  it.each([
    [40, 130, 1000],
    [700, 128, 300],
    [20, 576, 3201],
  ])("of a head, for %i rows, width %i and %i classes, have its loss and gradient", (rows, width, classes) => {
    const [hidden, weight] = [draw(rows, width), frozen(draw(classes, width))];
    hidden.requiresGrad = true;
    const labels = tensor(
      Int32Array.from({ length: rows }, (_, i) => (i % 5 === 2 ? -100 : (i * 37) % classes)),
      { shape: [rows] },
    );
    const run = (): [number, Float32Array] => {
      hidden.grad = null;
      const loss = linearCrossEntropy(hidden, weight, labels);
      loss.backward();
      return [loss.itemSync(), hidden.grad!.dataSync().slice() as Float32Array];
    };
    const [loss, gradient] = run();
    const [highLoss, highGradient] = under("high", run);
    expect(Math.abs(highLoss - loss)).toBeLessThan(3e-4 * loss);
    expect(highLoss).not.toBe(loss);
    expect(difference(highGradient, gradient)).toBeLessThan(6e-3);
    expect(difference(highGradient, gradient)).toBeGreaterThan(1e-6);
    expect([...highGradient.subarray(2 * width, 3 * width)].every((v) => v === 0)).toBe(true);
  });

  it.each([
    ["q8_0", 34, 40, 576, 1000],
    ["q4_1", 20, 20, 672, 801],
    ["bf16", 0, 700, 136, 300],
  ] as const)(
    "of a head in %s are to the bit those of its numbers in f32",
    async (dtype, blockBytes, rows, width, classes) => {
      const weight =
        dtype === "bf16"
          ? to(draw(classes, width), { dtype })
          : packedTensor(blocks((classes * width) / 32, blockBytes), { shape: [classes, width], dtype });
      const hidden = draw(rows, width);
      hidden.requiresGrad = true;
      const labels = tensor(Int32Array.from({ length: rows }, (_, i) => (i * 37) % classes));
      const run = (w: Tensor) => () => {
        hidden.grad = null;
        const loss = linearCrossEntropy(hidden, frozen(w), labels);
        loss.backward();
        return [loss.itemSync(), ...hidden.grad!.dataSync()];
      };
      const high = under("high", run(weight));
      expect(high).toEqual(under("high", run(to(weight, { dtype: "f32" }))));
      expect(high).not.toEqual(run(weight)());
    },
  );

  it("of a head in bf16 are f32 where it holds -Infinity", () => {
    const numbers = draw(128, 128).dataSync().slice();
    numbers[777] = Number.NEGATIVE_INFINITY;
    const weight = frozen(to(tensor(numbers, { shape: [128, 128] }), { dtype: "bf16" }));
    const labels = tensor(new Int32Array(16), { shape: [16] });
    const hidden = tensor(new Float32Array(16 * 128).fill(1), { shape: [16, 128] });
    const run = () => linearCrossEntropy(hidden, weight, labels).itemSync();
    expect(under("high", run)).toEqual(run());
    expect(run()).toBeLessThan(100);
  });

  it("go by the parameter's own precision first", () => {
    const x = draw(16, 128);
    const w = frozen(draw(128, 128));
    const run = () => matmul(x, w, { transposeB: true }).dataSync();
    const exact = run();
    w.precision = "high";
    const high = run();
    expect(high).not.toEqual(exact);
    w.precision = "highest";
    expect(under("high", run)).toEqual(exact);
  });

  it("go by the precision of a function, with its backward pass, and as before behind it", () => {
    const [x, w] = [draw(16, 128), frozen(draw(128, 160))];
    x.requiresGrad = true;
    const run = () => {
      x.grad = null;
      const y = matmul(x, w);
      sum(square(y)).backward();
      return [y, x.grad!].map((t) => t.dataSync());
    };
    const exact = run();
    const high = withFloat32MatmulPrecision("high", run);
    for (const [i, one] of high.entries()) {
      expect(difference(one, exact[i])).toBeLessThan(6e-4);
      expect(difference(one, exact[i])).toBeGreaterThan(1e-5);
    }
    expect(run()).toEqual(exact);
    expect(under("high", () => withFloat32MatmulPrecision("highest", run))).toEqual(exact);
    const fails = () => withFloat32MatmulPrecision("high", () => matmul(x, x));
    expect(fails).toThrow("inner sizes");
    expect(run()).toEqual(exact);
    expect(() => withFloat32MatmulPrecision("low" as "high", run)).toThrow(
      'withFloat32MatmulPrecision: precision is "low"; give one of highest, high, medium',
    );
  });

  it("warn once for each shape of a weight if much of its rows rounds to zero", async () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    try {
      const spread = await wasm();
      await init(spread);
      const x = draw(16, 128).dataSync().slice();
      // One element in a block is 1e6 times larger than the others, most of which get the code 0.
      for (let i = 0; i < x.length; i += 64) x[i] *= 1e6;
      const rows = tensor(x as Float32Array, { shape: [16, 128] });
      for (const width of [128, 192, 128, 192]) {
        const weight = frozen(draw(128, width));
        under("high", () => matmul(rows, weight).dataSync());
      }
      const share = (shape: string) => [
        expect.stringMatching(
          `^wasm: 9\\d % of the elements of rows that are multiplied by a weight \\[${shape}\\] round`,
        ),
      ];
      await vi.waitFor(() => expect(warn).toHaveBeenCalledTimes(2));
      expect(warn.mock.calls).toEqual([share("128,128"), share("128,192")]);
    } finally {
      warn.mockRestore();
      await init(backend);
    }
  });

  it("follow what is written into a weight, and give their memory back with it", () => {
    const x = draw(16, 128);
    const { used } = backend.heapStats();
    scope(() => {
      const w = frozen(draw(128, 128));
      const times = (t: Tensor) => matmul(x, t, { transposeB: true }).dataSync();
      const before = under("high", () => times(w));
      const other = draw(128, 128);
      noGrad(() => copyInto(w, other));
      const after = under("high", () => times(w));
      expect(after).not.toEqual(before);
      expect(difference(after, times(other))).toBeLessThan(6e-4);
      w.dispose();
    });
    expect(backend.heapStats().used).toBe(used);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])("are f32 where a row or a weight holds %d", (value) => {
    const x = draw(16, 128);
    const [good, bad] = [draw(128, 128), draw(128, 128)];
    const spoil = (t: Tensor): Tensor => {
      const numbers = t.dataSync().slice();
      numbers[777] = value;
      return tensor(numbers, { shape: t.shape });
    };
    const labels = tensor(new Int32Array(16), { shape: [16] });
    for (const [left, right] of [
      [spoil(x), good],
      [x, spoil(bad)],
    ]) {
      const weight = frozen(right);
      const run = () => matmul(left, weight, { transposeB: true }).dataSync();
      expect(under("high", run)).toEqual(run());
      const loss = () => linearCrossEntropy(left, weight, labels).itemSync();
      expect(under("high", loss)).toEqual(loss());
    }
  });

  it("are f32 for tensors of zeros, few rows, short sides and numbers too small for a scale", () => {
    const zeros = tensor(new Float32Array(16 * 128), { shape: [16, 128] });
    const w = frozen(draw(128, 128));
    expect([...under("high", () => matmul(zeros, w).dataSync())].every((v) => v === 0)).toBe(true);
    for (const [rows, from, to] of [
      [7, 128, 128],
      [8, 127, 128],
      [8, 128, 127],
    ]) {
      const [x, own] = [draw(rows, from), frozen(draw(from, to))];
      const run = () => matmul(x, own).dataSync();
      expect(under("high", run)).toEqual(run());
    }
    const tiny = tensor(
      Float32Array.from({ length: 8 * 128 }, (_, i) => (i % 3) * 1e-40),
      { shape: [8, 128] },
    );
    expect([...under("high", () => matmul(tiny, w).dataSync())].every(Number.isFinite)).toBe(true);
  });

  it("have the same bits by one thread and by two, in both builds", async () => {
    const [x, w] = [draw(64, 640), draw(1024, 640)];
    const numbers = [x, w].map((t) => t.dataSync().slice());
    const results = [];
    for (const options of [{ threads: 1 }, { threads: 2, grain: 1 }, { build: "simd" as const }]) {
      const own = await wasm(options);
      const [a, b] = numbers.map((n, i) => tensor(n, { shape: [x, w][i].shape, backend: own }));
      const p = frozen(b);
      const labels = tensor(new Int32Array(64).fill(3), { shape: [64], backend: own });
      const loss = under("high", () => linearCrossEntropy(a, p, labels).itemSync());
      results.push([...under("high", () => matmul(a, p, { transposeB: true }).dataSync()), loss]);
      own.dispose();
    }
    expect(results[1]).toEqual(results[0]);
    expect(results[2]).toEqual(results[0]);
  });

  it("are f32 on a backend whose rows must not depend on each other", async () => {
    const own = await wasm({ batchInvariant: true });
    const x = randn([16, 128], { generator, backend: own });
    const w = frozen(randn([128, 128], { generator, backend: own }));
    const run = () => matmul(x, w, { transposeB: true }).dataSync();
    expect(under("high", run)).toEqual(run());
  });

  it("is asked for by name", () => {
    expect(() => setFloat32MatmulPrecision("medium-rare" as MatmulPrecision)).toThrow(
      'setFloat32MatmulPrecision: precision is "medium-rare"; give one of highest, high, medium',
    );
  });
});
