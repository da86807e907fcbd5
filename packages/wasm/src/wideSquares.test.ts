import {
  Generator,
  init,
  linearCrossEntropy,
  type MatmulPrecision,
  matmul,
  randn,
  sum,
  type Tensor,
  tensor,
  to,
  withFloat32MatmulPrecision as under,
} from "@lowrank/core";
import { Parameter } from "@lowrank/nn";
import { beforeAll, describe, expect, it } from "vitest";
import { wasm } from "./index.ts";
import { difference } from "./testing/sameOnBackends.ts";

beforeAll(async () => init(await wasm()));

/** Returns a normally distributed matrix whose elements are multiplied by `scale` of their row and column. */
function spread(height: number, width: number, scale: (row: number, column: number) => number, seed = 7): Tensor {
  const data = randn([height, width], { generator: new Generator(seed) })
    .dataSync()
    .slice();
  return tensor(data.map((v, at) => Math.fround(v * scale(Math.floor(at / width), at % width))) as Float32Array, {
    shape: [height, width],
  });
}

const frozen = (t: Tensor): Parameter => new Parameter(t, { requiresGrad: false });

/** The largest difference of a column of a product, relative to the column's norm. */
function worstColumn(actual: ArrayLike<number>, exact: ArrayLike<number>, columns: number): number {
  let worst = 0;
  for (let j = 0; j < columns; j++) {
    let [off, norm] = [0, 0];
    for (let at = j; at < exact.length; at += columns) {
      off += (actual[at] - exact[at]) ** 2;
      norm += exact[at] ** 2;
    }
    worst = Math.max(worst, norm === 0 ? 0 : Math.sqrt(off / norm));
  }
  return worst;
}

/** Scales of the elements of a weight, which differ within squares of 64 x 64. */
const spreads: Readonly<Record<string, (row: number, column: number) => number>> = {
  "a row in 32 1000 times larger": (row) => (row % 32 === 5 ? 1000 : 1),
  "a row in 500 1000 times larger": (row) => (row % 500 === 5 ? 1000 : 1),
  "a column in 32 1000 times larger": (_, column) => (column % 32 === 5 ? 1000 : 1),
  "a column in 500 1e6 times larger": (_, column) => (column % 500 === 5 ? 1e6 : 1),
  "one element 1e5 times larger": (row, column) => (row === 70 && column === 3 ? 1e5 : 1),
  "rows of powers of ten": (row) => 10 ** ((row % 9) - 4),
  "a row in 40 1e-12 times as large": (row) => (row % 40 === 1 ? 1e-12 : 1),
  "a band of rows near the smallest floats": (row) => (row < 64 ? 1e-36 : 1),
  "columns of zeros beside others": (_, column) => (column % 3 === 0 ? 0 : 1),
};

describe("a weight whose squares have small and large rows or columns", () => {
  it.each(Object.keys(spreads))("has right products in each column, both ways: %s", (name) => {
    for (const precision of ["high", "medium"] as const) {
      const [height, width] = [576, 400];
      const w = frozen(spread(height, width, spreads[name]));
      const products = [
        { x: randn([40, width], { generator: new Generator(3) }), transposeB: true, columns: height },
        { x: randn([40, height], { generator: new Generator(4) }), transposeB: false, columns: width },
      ];
      for (const { x, transposeB, columns } of products) {
        const run = (p: MatmulPrecision) => under(p, () => matmul(x, w, { transposeB }).dataSync());
        expect(worstColumn(run(precision), run("highest"), columns)).toBeLessThan(6e-3);
      }
    }
  });

  it("keeps codes for the other squares, and drops all codes if many squares are wide", () => {
    const x = randn([16, 640], { generator: new Generator(5) });
    const run = (w: Tensor) => {
      const p = frozen(w);
      return (["highest", "high"] as const).map((it) => under(it, () => matmul(x, p, { transposeB: true }).dataSync()));
    };
    const [exact, few] = run(spread(640, 640, (row, column) => (row === 3 && column < 64 ? 1e4 : 1)));
    // Nine of ten squares of the first 64 outputs, and all other squares, are in codes.
    expect(difference(few, exact)).toBeGreaterThan(1e-7);
    const [plain, many] = run(spread(640, 640, (row) => (row % 32 === 0 ? 1e4 : 1)));
    expect(many).toEqual(plain);
  });

  it.each(["f32", "bf16"] as const)("has the loss and gradient of a head in %s", (dtype) => {
    const [rows, width, classes] = [24, 200, 1000];
    for (const scale of [1, 1000]) {
      // The logits of the one large class are far below the others, so only the others decide the loss.
      const weight = spread(classes, width, (row) => (row === 5 ? scale : 1) * 0.1);
      const large = weight.dataSync().slice(5 * width, 6 * width);
      const hidden = tensor(
        Float32Array.from(
          { length: rows * width },
          (_, at) => -3 * Math.sign(large[at % width]) * ((at % 7) + 1) * 0.1,
        ),
        { shape: [rows, width] },
      );
      hidden.requiresGrad = true;
      const labels = tensor(
        Int32Array.from({ length: rows }, (_, i) => ((i * 37) % 64 === 5 ? 6 : (i * 37) % 64)),
        { shape: [rows] },
      );
      const head = frozen(dtype === "f32" ? weight : to(weight, { dtype }));
      const run = (precision: MatmulPrecision) =>
        under(precision, () => {
          hidden.grad = null;
          const loss = linearCrossEntropy(hidden, head, labels);
          loss.backward();
          return { loss: loss.itemSync(), gradient: hidden.grad!.dataSync().slice() };
        });
      const [exact, high] = [run("highest"), run("high")];
      expect(Number.isFinite(exact.loss)).toBe(true);
      expect(Math.abs(high.loss - exact.loss)).toBeLessThan(3e-4 * Math.abs(exact.loss) + 1e-3);
      expect(difference(high.gradient, exact.gradient)).toBeLessThan(1e-2);
    }
  });

  it("has the same bits by one thread and by several", async () => {
    const results = [];
    for (const options of [{ threads: 1 }, { threads: 2, grain: 1 }]) {
      const own = await wasm(options);
      const weight = spread(520, 640, (row, column) => (row % 300 === 7 && column % 200 < 30 ? 1e4 : 1));
      const w = frozen(tensor(weight.dataSync().slice(), { shape: weight.shape, backend: own }));
      const both = [640, 520].map((inner, transposed) => {
        const x = randn([40, inner], { generator: new Generator(5), backend: own });
        return [...under("high", () => matmul(x, w, { transposeB: transposed === 0 }).dataSync())];
      });
      results.push(both);
      own.dispose();
    }
    expect(results[1]).toEqual(results[0]);
  });
});

describe("products of very large or small elements under high precision", () => {
  it.each([
    ["high", 1e30, 1e20],
    ["high", 1e-20, 1e-18],
    ["medium", 1e30, 1e20],
    ["medium", 1e-20, 1e-18],
  ] as const)("are finite and right under %s: rows of %d, a weight of %d", (precision, ofX, ofW) => {
    // The large elements of each row are multiplied by zeros of the weight.
    const x = spread(16, 128, (_, column) => (column % 64 === 1 ? ofX : Math.min(ofX, 1)));
    x.requiresGrad = true;
    const w = frozen(spread(128, 128, (row) => (ofX > 1 && row % 64 === 1 ? 0 : ofW)));
    const run = (p: MatmulPrecision) =>
      under(p, () => {
        x.grad = null;
        const y = matmul(x, w);
        sum(y).backward();
        return [y.dataSync(), x.grad!.dataSync()].map((it) => it.slice());
      });
    const [exact, rounded] = [run("highest"), run(precision)];
    for (const [i, numbers] of rounded.entries()) {
      expect(numbers.every(Number.isFinite)).toBe(true);
      expect(difference(numbers, exact[i])).toBeLessThan(2e-2);
    }
  });
});
