import { add, affine, gradients, init, matmul, quantize4bit, type Tensor, tensor, to } from "@lowrank/core";
import { loraLinear } from "@lowrank/core/internal";
import { describe, expect, it } from "vitest";
import { wasm } from "./index.ts";
import { close, numbers } from "./testing/sameOnBackends.ts";

interface Sizes {
  rows: number;
  inputs: number;
  outputs: number;
  rank: number;
}

const drawn = (shape: number[], seed: number, scale = 1) => tensor(numbers(shape, seed, scale), { shape });

/** Draws x, W, A and B. */
function draw({ rows, inputs, outputs, rank }: Sizes): [Tensor, Tensor, Tensor, Tensor] {
  return [
    drawn([rows, inputs], 1),
    drawn([outputs, inputs], 2, 0.1),
    drawn([rank, inputs], 3, 0.1),
    drawn([outputs, rank], 4, 0.1),
  ];
}

/** x (W + s B A)ᵀ */
const bySum = ([x, w, a, b]: Tensor[], scaling: number) =>
  matmul(x, add(to(w, { dtype: "f32" }), affine(matmul(b, a), { scale: scaling })), { transposeB: true });

/** x Wᵀ + s (x Aᵀ) Bᵀ */
const byProducts = ([x, w, a, b]: Tensor[], scaling: number) => {
  const low = affine(matmul(x, a, { transposeB: true }), { scale: scaling });
  return add(matmul(x, w, { transposeB: true }), matmul(low, b, { transposeB: true }));
};

/** The root mean square of the differences from products in float64. */
function errorOf(y: ArrayLike<number>, [x, w, a, b]: ArrayLike<number>[], sizes: Sizes, scaling: number): number {
  const { rows, inputs, outputs, rank } = sizes;
  let squares = 0;
  for (let i = 0; i < rows; i++) {
    const low = Array.from({ length: rank }, (_, r) => {
      let sum = 0;
      for (let p = 0; p < inputs; p++) sum += x[i * inputs + p] * a[r * inputs + p];
      return sum;
    });
    for (let j = 0; j < outputs; j++) {
      let sum = 0;
      for (let p = 0; p < inputs; p++) sum += x[i * inputs + p] * w[j * inputs + p];
      for (let r = 0; r < rank; r++) sum += scaling * low[r] * b[j * rank + r];
      squares += (y[i * outputs + j] - sum) ** 2;
    }
  }
  return Math.sqrt(squares / (rows * outputs));
}

describe.each(["simd", "relaxed"] as const)("loraLinear with many rows, %s", async (build) => {
  const backend = await wasm({ build });
  // A power of two, which causes no rounding.
  const scaling = 0.5;

  it("is one product with W + s B A, and two where the sum costs more", async () => {
    await init(backend);
    for (const [rows, same, other] of [
      [50, bySum, byProducts],
      [49, byProducts, bySum],
    ] as const) {
      const inputs = draw({ rows, inputs: 40, outputs: 24, rank: 3 });
      const found = loraLinear(...inputs, { scaling }).dataSync();
      expect(found).toEqual(same(inputs, scaling).dataSync());
      expect(found).not.toEqual(other(inputs, scaling).dataSync());
    }
  });

  it("is as near to the exact product as two products are", async () => {
    await init(backend);
    for (const rank of [1, 8, 64]) {
      const sizes = { rows: 200, inputs: 96, outputs: 130, rank };
      const inputs = draw(sizes);
      const numbersOf = inputs.map((t) => t.dataSync());
      const [sum, products] = [loraLinear(...inputs, { scaling: 1.7 }), byProducts(inputs, 1.7)].map((y) =>
        errorOf(y.dataSync(), numbersOf, sizes, 1.7),
      );
      expect(sum).toBeLessThan(1.2 * products);
    }
  });

  it("reads weights of any format", async () => {
    await init(backend);
    const stored = {
      bf16: (w: Tensor) => to(w, { dtype: "bf16" }),
      nf4: (w: Tensor) => quantize4bit(w, { quantType: "nf4" }),
    };
    for (const store of Object.values(stored)) {
      const [x, w, a, b] = draw({ rows: 150, inputs: 64, outputs: 70, rank: 4 });
      const inputs: [Tensor, Tensor, Tensor, Tensor] = [x, store(w), a, b];
      expect(loraLinear(...inputs, { scaling }).dataSync()).toEqual(bySum(inputs, scaling).dataSync());
    }
  });

  it("sums large weights by some rows at a time", async () => {
    await init(backend);
    // The output's columns in two parts, then the contraction of x's gradient.
    for (const sizes of [
      { rows: 1280, inputs: 1024, outputs: 1100, rank: 2 },
      { rows: 100, inputs: 16400, outputs: 80, rank: 2 },
    ]) {
      const inputs = draw(sizes);
      inputs[0].requiresGrad = true;
      const dy = drawn([sizes.rows, sizes.outputs], 5);
      const [found, expected] = [loraLinear(...inputs, { scaling }), bySum(inputs, scaling)].map((y) => [
        y.dataSync(),
        gradients(y, [inputs[0]], { gradient: dy })[0].dataSync(),
      ]);
      for (const [i, values] of found.entries()) close(values, expected[i], 3e-6);
    }
  });
});
