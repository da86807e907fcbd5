import { Generator, init, memory, randn, reference, type Tensor, tensor, truncatedSvd } from "@lowrank/core";
import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { IncrementalPca } from "./incrementalPca.ts";

beforeAll(() => init(reference()));

const numbers = (t: Tensor) => t.dataSync() as Float32Array;

/** Returns the rows minus their mean, and the sum of their squares. */
function centred(rows: number, features: number, values: Float32Array) {
  const means = Array.from({ length: features }, (_, j) => {
    let sum = 0;
    for (let i = 0; i < rows; i++) sum += values[i * features + j];
    return sum / rows;
  });
  const data = Float64Array.from(values, (x, i) => x - means[i % features]);
  return { data, spread: data.reduce((sum, x) => sum + x * x, 0) };
}

test("batches give the components of all rows where no direction is cut away", async () => {
  const sample = fc.record({
    features: fc.integer({ min: 2, max: 7 }),
    sizes: fc.array(fc.integer({ min: 7, max: 12 }), { minLength: 1, maxLength: 4 }),
    seed: fc.integer({ min: 0, max: 1000 }),
  });
  await fc.assert(
    fc.asyncProperty(sample, async ({ features, sizes, seed }) => {
      const generator = new Generator(seed);
      const batches = sizes.map((n) => numbers(randn([n, features], { generator, mean: 2 })));
      using pca = new IncrementalPca(features);
      for (const [i, values] of batches.entries()) {
        using x = tensor(values, { shape: [sizes[i], features] });
        await pca.add(x);
      }
      const rows = sizes.reduce((a, b) => a + b, 0);
      const { data, spread } = centred(rows, features, Float32Array.from(batches.flatMap((b) => [...b])));
      const exact = truncatedSvd(data, rows, features, features);
      for (const [k, value] of exact.values.entries()) {
        expect(Math.abs(pca.values[k] - value)).toBeLessThan(1e-4 * exact.values[0]);
        expect(pca.ratios[k]).toBeCloseTo((value * value) / spread, 4);
      }
      expect(pca.ratios.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 4);
      const found = numbers(pca.components);
      for (let k = 0; k < features; k++) {
        const [above, own, below] = [k - 1, k, k + 1].map((i) => exact.values[i]);
        // Directions with nearly equal variance may be rotated within their span.
        if ((above && above / own < 1.1) || (below && own / below < 1.1)) continue;
        let dot = 0;
        for (let j = 0; j < features; j++) dot += found[k * features + j] * exact.right[k * features + j];
        expect(Math.abs(dot)).toBeCloseTo(1, 3);
      }
    }),
    { numRuns: 40 },
  );
});

test("few components of many features are found, and memory stays flat", async () => {
  const generator = new Generator(3);
  const [features, rank] = [60, 3];
  // Three dominant directions of known variance, and noise.
  using directions = randn([rank, features], { generator });
  using pca = new IncrementalPca(rank);
  const held: number[] = [];
  for (let i = 0; i < 4; i++) {
    using weights = randn([50, rank], { generator, std: 3 });
    using noise = randn([50, features], { generator, std: 0.05 });
    using signal = weights.matmul(directions);
    using x = signal.add(noise);
    await pca.add(x);
    held.push(memory().buffers);
  }
  expect(held[3]).toBe(held[1]);
  expect(pca.ratios.reduce((a, b) => a + b, 0)).toBeGreaterThan(0.999);
  const [found, wanted] = [numbers(pca.components), numbers(directions)];
  for (let d = 0; d < rank; d++) {
    const row = wanted.slice(d * features, (d + 1) * features);
    let [length, inside] = [0, 0];
    for (const x of row) length += x * x;
    for (let k = 0; k < rank; k++) {
      let dot = 0;
      for (let j = 0; j < features; j++) dot += row[j] * found[k * features + j];
      inside += dot * dot;
    }
    expect(inside / length).toBeCloseTo(1, 3);
  }
});

test("without rows there are no components, and equal rows have no variance", async () => {
  using pca = new IncrementalPca(2);
  expect([...pca.values]).toEqual([]);
  expect(() => pca.components).toThrow(new Error("IncrementalPca: no rows were added"));
  await pca.add(tensor(new Float32Array(12).fill(0.5), { shape: [4, 3] }));
  expect(pca.ratios).toEqual([0, 0]);
  using small = new IncrementalPca(1);
  await small.add(
    tensor([
      [0.5, 0],
      [-0.5, 0],
    ]),
  );
  expect(small.ratios[0]).toBeCloseTo(1, 5);
});
