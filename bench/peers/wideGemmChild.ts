// Runs under a Node with wide SIMD. For each line on stdin, it multiplies once and prints the milliseconds. As with
// PyTorch, the result stays in the engine's memory.
import { createInterface } from "node:readline";
import { matmul, tensor } from "@lowrank/core";
import { wasm } from "@lowrank/wasm";

const n = Number(process.argv[2]);
const backend = await wasm({ wideSimd: true });
const matrix = () => Float32Array.from({ length: n * n }, () => Math.random() * 2 - 1);
const [left, right] = [matrix(), matrix()].map((values) => tensor(values, { shape: [n, n], backend }));
const [a, b, c] = await Promise.all([left!, right!, matmul(left!, right!)].map((matrix) => matrix.data()));
for (let i = 0; i < n; i++) {
  let sum = 0;
  for (let p = 0; p < n; p++) sum += Number(a![i * n + p]) * Number(b![p * n + i]);
  if (!(Math.abs(Number(c![i * n + i]) - sum) < 1e-3)) throw new Error(`gemm: wide SIMD is wrong at [${i},${i}]`);
}
console.log("ready");
for await (const _ of createInterface({ input: process.stdin })) {
  const start = performance.now();
  const product = matmul(left!, right!);
  console.log(performance.now() - start);
  product.dispose();
}
