import type { GemmCase, GemmPeer } from "../peers/gemmPeer.ts";
import { type Contestant, interleave, type Timing } from "./measure.ts";

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
