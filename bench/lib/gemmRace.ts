import { matmul, tensor } from "@lowrank/core";
import { wasm } from "@lowrank/wasm";
import { compileString } from "assemblyscript/asc";
import type { GemmCase, GemmPeer } from "../peers/gemmPeer.ts";
import { type Contestant, interleave, printTable, type Timing } from "./measure.ts";

/** The sizes of a matrix product. Defaults: `batch` 1, `transB` false. */
export interface GemmSizes {
  batch?: number;
  m: number;
  n: number;
  k: number;
  transB?: boolean;
}

/** Makes a product of random values between -1 and 1. */
export function randomCase({ batch = 1, m, n, k, transB = false }: GemmSizes): GemmCase {
  const numbers = (length: number) => Float32Array.from({ length }, () => Math.random() * 2 - 1);
  return { batch, m, n, k, transB, a: numbers(batch * m * k), b: numbers(batch * k * n) };
}

/** Returns the number of multiplications and additions of a product. */
export function flopsOf({ batch, m, n, k }: GemmCase): number {
  return 2 * batch * m * n * k;
}

/** Compares one element of every row, [i, (i * 7 + 3) mod n], with a float64 dot product. */
export function checkResult(name: string, { batch, m, n, k, transB, a, b }: GemmCase, c: Float32Array): void {
  for (let row = 0; row < batch * m; row++) {
    const matrix = Math.floor(row / m);
    const j = ((row % m) * 7 + 3) % n;
    let sum = 0;
    for (let p = 0; p < k; p++) sum += a[row * k + p]! * b[matrix * k * n + (transB ? j * k + p : p * n + j)]!;
    if (!(Math.abs(c[row * n + j]! - sum) < 1e-3)) {
      throw new Error(`gemm: ${name} gives ${c[row * n + j]} at [${matrix},${row % m},${j}], not ${sum}`);
    }
  }
}

function checkAgreement(results: Map<string, Float32Array>): void {
  const [[firstName, first], ...others] = [...results] as [[string, Float32Array], ...[string, Float32Array][]];
  for (const [name, values] of others) {
    const at = first.findIndex((value, i) => !(Math.abs(value - values[i]!) < 1e-3));
    if (at >= 0) throw new Error(`gemm: ${firstName} and ${name} differ at ${at}: ${first[at]} and ${values[at]}`);
  }
}

/** Checks the results of all peers, then times the product with each peer in turn. */
export async function race(
  product: GemmCase,
  peers: GemmPeer[],
  warmUps: number,
  rounds: number,
): Promise<Map<string, Timing>> {
  const contestants: Contestant[] = [];
  const results = new Map<string, Float32Array>();
  for (const { name, prepare } of peers) {
    const run = await prepare(product);
    const result = (await run()).slice();
    checkResult(name, product, result);
    results.set(name, result);
    contestants.push({ name, run });
  }
  checkAgreement(results);
  return interleave(contestants, warmUps, rounds);
}

const WARM_UPS = 3;
const ROUNDS = 5;
const CEILING = "multiply-adds in registers";

/**
 * Compares Lowrank's n x n products A * B and A * Bᵀ with 128-bit multiply-adds in registers, each with the best of
 * five runs. Results stay in the engine's memory. Prints a table and returns the lower share of the limit.
 */
export async function measureCeiling(n: number): Promise<number> {
  const backend = await wasm();
  const contestants: Contestant[] = [];
  let flops = 0;
  for (const transB of [false, true]) {
    const product = randomCase({ m: n, n, k: n, transB });
    flops = flopsOf(product);
    const [left, right] = [product.a, product.b].map((values) => tensor(values, { shape: [n, n], backend }));
    const run = () => matmul(left!, right!, { transposeB: transB });
    const name = `A*B${transB ? "ᵀ" : ""}`;
    const result = run();
    checkResult(name, product, (await result.data()) as Float32Array);
    result.dispose();
    contestants.push({ name, run: async () => run().dispose() });
  }
  contestants.push({ name: CEILING, run: await fmaCeiling(backend.build === "relaxed", flops) });
  const timings = await interleave(contestants, WARM_UPS, ROUNDS);
  const share = (best: number) => timings.get(CEILING)!.best / best;
  console.log(`\nn=${n}, ${backend.build}, GFLOP/s, best of ${ROUNDS}`);
  printTable(
    ["", "best", "of the ceiling"],
    [...timings].map(([name, { best }]) => [name, (flops / best / 1e6).toFixed(1), share(best).toFixed(3)]),
  );
  return Math.min(...[...timings.values()].map(({ best }) => share(best)));
}

const CHAINS = 12;

/** Returns AssemblyScript code for CHAINS independent multiply-add chains that stay in registers. */
function source(relaxed: boolean): string {
  const each = (line: (i: number) => string) => Array.from({ length: CHAINS }, (_, i) => line(i)).join("\n");
  const step = relaxed ? "f32x4.relaxed_madd(x, y, cN)" : "f32x4.add(cN, f32x4.mul(x, y))";
  return `export function chains(at: usize, rounds: i32): void {
    const x = v128.load(at);
    const y = v128.load(at, 16);
    ${each((i) => `let c${i} = v128.load(at, ${32 + 16 * i});`)}
    do {
      ${each((i) => `c${i} = ${step.replace("cN", `c${i}`)};`)}
    } while (--rounds);
    ${each((i) => `v128.store(at, c${i}, ${32 + 16 * i});`)}
  }`;
}

/**
 * Returns a function that executes about `flops` operations as multiply-adds only, an upper bound for the speed of any
 * 128-bit kernel.
 */
async function fmaCeiling(relaxed: boolean, flops: number): Promise<() => Promise<void>> {
  const { binary, error, stderr } = await compileString(source(relaxed), {
    optimizeLevel: 3,
    runtime: "stub",
    noAssert: true,
    initialMemory: 1,
    enable: relaxed ? ["simd", "relaxed-simd"] : ["simd"],
  });
  if (error || !binary) throw new Error(`fmaCeiling: ${error?.message}\n${stderr.toString()}`);
  const imports = { env: { abort: () => {} } };
  const { instance } = await WebAssembly.instantiate(Uint8Array.from(binary), imports);
  const chains = instance.exports.chains as (at: number, rounds: number) => void;
  const rounds = Math.round(flops / (CHAINS * 8));
  return async () => chains(0, rounds);
}
