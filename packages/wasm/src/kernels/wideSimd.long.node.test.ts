import { expect, it } from "vitest";
import { hasNode26, runInNode26 } from "../testing/node26.ts";

// The flag is experimental in V8, and some shuffles crash it. So every function is compiled here.
it.skipIf(!hasNode26).each(["relaxed", "simd"] as const)("compiles all kernels of %s, on Node 26", (build) => {
  const program = `
    import { loadBuild } from "../builds/loadBuild.ts";
    import { loadOnDemand } from "../builds/loadOnDemand.ts";
    const options = (batchInvariant) => ({ batchInvariant, shared: false });
    const builds = [false, true].map((batchInvariant) => loadBuild("${build}", options(batchInvariant)));
    const all = [...(await Promise.all(builds)).map(({ bytes }) => bytes), await loadOnDemand("${build}", false)];
    console.log(all.map((bytes) => WebAssembly.Module.exports(new WebAssembly.Module(bytes)).length > 5).join(" "));`;
  const eager = ["--no-liftoff", "--no-wasm-lazy-compilation"];
  expect(runInNode26(program, "--experimental-wasm-revectorize", ...eager)).toBe("true true true\n");
});

const product = `
  import { matmul, tensor } from "@lowrank/core";
  import { wasm } from "@lowrank/wasm";
  const [m, n, k] = [130, 203, 301];
  const values = (count, step) => Float32Array.from({ length: count }, (_, i) => ((i * step) % 1009) / 504 - 1);
  const [left, right] = [values(m * k, 7919), values(k * n, 6007)];
  async function multiply(backend) {
    const [a, b] = [tensor(left, { shape: [m, k], backend }), tensor(right, { shape: [k, n], backend })];
    return matmul(a, b).data();
  }`;

it.skipIf(!hasNode26)("multiplies right, and the same to the bit with two threads, on Node 26", () => {
  const program = `${product}
    const one = await multiply(await wasm({ wideSimd: true }));
    const two = await multiply(await wasm({ wideSimd: true, threads: 2, grain: 1 }));
    let worst = 0;
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let p = 0; p < k; p++) sum += left[i * k + p] * right[p * n + j];
        worst = Math.max(worst, Math.abs(one[i * n + j] - sum));
      }
    }
    console.log(one.length, worst < 1e-4, one.every((x, i) => x === two[i]));`;
  expect(runInNode26(program)).toBe("26390 true true\n");
});

/** Prints sums over the bits of products in codes of 16 bits and of 4 to 6 bits, from optimised code. */
const codes = (wideSimd: boolean) => `
  import { blockFormats, init, matmul, packedTensor, setFloat32MatmulPrecision, square, sum, tensor } from "@lowrank/core";
  import { linearWithInt8Activations } from "@lowrank/core/internal";
  import { Parameter } from "@lowrank/nn";
  import { wasm } from "@lowrank/wasm";
  const backend = await wasm({ wideSimd: ${wideSimd} });
  await backend.prepare("q4_1");
  await init(backend);
  setFloat32MatmulPrecision("high");
  const [rows, from, to] = [70, 256, 200];
  const values = (count, step) => Float32Array.from({ length: count }, (_, i) => ((i * step) % 1009) / 504 - 1);
  const numbers = values(to * from, 7919);
  const shape = [to, from];
  const weights = [
    new Parameter(tensor(numbers, { shape }), { requiresGrad: false }),
    ...["q4_1", "q4_k", "q5_0", "q5_k", "q6_k"].map((dtype) => {
      return new Parameter(packedTensor(blockFormats[dtype].pack(numbers, "w"), { shape, dtype }));
    }),
  ];
  const x = tensor(values(rows * from, 6007), { shape: [rows, from] });
  x.requiresGrad = true;
  const sumOf = (t) => new Uint32Array(t.dataSync().slice().buffer).reduce((sum, bits) => (sum * 31 + bits) >>> 0, 0);
  const found = () => weights.flatMap((w) => {
    x.grad = null;
    const y = matmul(x, w, { transposeB: true });
    sum(square(y)).backward();
    return [sumOf(y), sumOf(x.grad), w.dtype === "f32" ? 0 : sumOf(linearWithInt8Activations(x.detach(), w))];
  });
  const end = performance.now() + 500;
  while (performance.now() < end) found();
  console.log(found().join(" "));`;

/** Prints sums over the bits of a training step's f32 functions and of gradients, from optimised code. */
const floats = (wideSimd: boolean) => `
  import { add, init, linearCrossEntropy, matmul, rmsNorm, scaledDotProductAttention, softmax, square, sum, swiglu, tensor } from "@lowrank/core";
  import { wasm } from "@lowrank/wasm";
  await init(await wasm({ wideSimd: ${wideSimd} }));
  const values = (shape, step) => tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => ((i * step) % 1009) / 252 - 2),
    { shape, requiresGrad: true },
  );
  const [rows, width] = [70, 203];
  const [a, b] = [values([rows, width], 7919), values([rows, width], 6007)];
  const [weight, head] = [values([width], 37), values([77, width], 29)];
  const [q, k, v] = [7, 11, 13].map((step) => values([1, 2, rows, 24], step));
  const labels = tensor(Int32Array.from({ length: rows }, (_, i) => i % 77), { shape: [rows], dtype: "i32" });
  const results = [
    () => swiglu(a, b),
    () => softmax(a, { dim: -1 }),
    () => rmsNorm(a, weight, { eps: 1e-5 }),
    () => add(a, b),
    () => matmul(a, b, { transposeB: true }),
    () => matmul(matmul(a, b, { transposeB: true }), b),
    () => linearCrossEntropy(a, head, labels),
    () => scaledDotProductAttention(q, k, v, { isCausal: true }),
  ];
  const leaves = [a, b, weight, head, q, k, v];
  const sumOf = (t) => new Uint32Array(t.dataSync().slice().buffer).reduce((sum, bits) => (sum * 31 + bits) >>> 0, 0);
  const found = () => results.map((result) => {
    for (const leaf of leaves) leaf.grad = null;
    const y = result();
    sum(square(y)).backward();
    return [sumOf(y), ...leaves.filter(({ grad }) => grad).map(({ grad }) => sumOf(grad))].join("+");
  });
  const end = performance.now() + 500;
  while (performance.now() < end) found();
  console.log(found().join(" "));`;

it.skipIf(!hasNode26)("gives the same bits of a step's functions in f32, on Node 26", () => {
  const fused = runInNode26(floats(true));
  expect(fused).toMatch(/^\d+(\+\d+)+( \d+(\+\d+)+){7}\n$/);
  expect(fused).toBe(runInNode26(floats(false)));
});

it.skipIf(!hasNode26)("gives the same bits of products in integers, on Node 26", () => {
  const fused = runInNode26(codes(true));
  expect(fused).toMatch(/^\d+( \d+){17}\n$/);
  expect(fused).toBe(runInNode26(codes(false)));
});

it.skipIf(!hasNode26)("must come before other backends, on Node 26", () => {
  const program = `
    import { wasm } from "@lowrank/wasm";
    await wasm();
    await wasm({ wideSimd: true }).catch((error) => console.log(error.message));`;
  expect(runInNode26(program)).toMatch(/^wasm: this process has already created a backend without wideSimd; .*\n$/);
});
