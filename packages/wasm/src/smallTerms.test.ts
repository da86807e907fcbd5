import { backward, Generator, init, linearCrossEntropy, randn, tensor } from "@lowrank/core";
import { expect, test } from "vitest";
import { wasm } from "./index.ts";

/** The gradient of a row of hidden values, in float64. */
function gradient(hidden: Float32Array, weight: Float32Array, label: number): number[] {
  const width = hidden.length;
  const logits = Array.from({ length: weight.length / width }, (_, c) =>
    hidden.reduce((sum, h, d) => sum + h * weight[c * width + d], 0),
  );
  const top = Math.max(...logits);
  const masses = logits.map((z) => Math.exp(z - top));
  const mass = masses.reduce((sum, m) => sum + m, 0);
  return Array.from({ length: width }, (_, d) =>
    masses.reduce((sum, m, c) => sum + (m / mass - (c === label ? 1 : 0)) * weight[c * width + d], 0),
  );
}

// The sum of probabilities times weights in a row is near 1 if a class is likely, and each of the other classes adds
// about 1e-8 to it.
test.each(["simd", "relaxed"] as const)("unlikely classes are not lost beside a likely one, %s", async (build) => {
  await init(wasm({ build }));
  const [classes, width] = [49152, 32];
  const generator = new Generator(3);
  const likely = 7;
  // The part that all weights share is rounded away first, and always in the same direction.
  const values = randn([classes, width], { generator, std: 0.1 })
    .dataSync()
    .map((v) => v + 0.5) as Float32Array;
  const hidden = new Float32Array(width).fill(0.02);
  hidden[0] = 8;
  for (let c = 0; c < classes; c++) values[c * width] = c === likely ? 1.9 : 0.05;
  const x = tensor(hidden, { shape: [1, width], requiresGrad: true });
  const loss = linearCrossEntropy(x, tensor(values, { shape: [classes, width] }), tensor([likely], { dtype: "i32" }));
  backward(loss);
  const exact = gradient(hidden, values, likely);
  const found = x.grad?.dataSync() as Float32Array;
  const size = Math.max(...exact.map(Math.abs));
  const off = exact.map((g, d) => Math.abs(found[d] - g) / size);
  // A single f32 sum over all classes has an error of 3e-3.
  expect(Math.max(...off)).toBeLessThan(1e-4);
});
