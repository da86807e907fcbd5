// One-thread f32 matrix products against what a JavaScript user would pick instead, interleaved in one process; and two
// threads of ours against one, and wide SIMD against PyTorch.
import { availableParallelism } from "node:os";
import { fmaCeiling } from "./lib/fmaCeiling.ts";
import { type Contestant, interleave, machine, printTable, type Timing } from "./lib/measure.ts";
import { measureWide } from "./lib/wideGemm.ts";
import type { GemmCase, GemmPeer } from "./peers/gemmPeer.ts";
import { lowrankGemm } from "./peers/lowrankGemm.ts";

const WARM_UPS = 5;
const ROUNDS: Record<number, number> = { 512: 40, 1024: 15 };

const loaders: Record<string, () => Promise<{ load: () => Promise<GemmPeer> }>> = {
  "@tensorflow/tfjs-backend-wasm": () => import("./peers/tfjs.ts"),
  "onnxruntime-web": () => import("./peers/onnxruntime.ts"),
  "@jax-js/jax": () => import("./peers/jaxJs.ts"),
};

async function loadPeers(): Promise<GemmPeer[]> {
  const peers: GemmPeer[] = [];
  for (const [name, load] of Object.entries(loaders)) {
    try {
      peers.push(await (await load()).load());
    } catch (error) {
      console.log(`absent: ${name} could not be loaded: ${error instanceof Error ? error.message : error}`);
    }
  }
  return peers;
}

function randomCase(n: number, transB: boolean): GemmCase {
  const matrix = () => Float32Array.from({ length: n * n }, () => Math.random() * 2 - 1);
  return { n, transB, a: matrix(), b: matrix() };
}

/** Compares a result with float64 dot products along the diagonals i, (i * 7 + 3) mod n. */
function checkResult(name: string, { n, transB, a, b }: GemmCase, c: Float32Array): void {
  for (let i = 0; i < n; i++) {
    const j = (i * 7 + 3) % n;
    let sum = 0;
    for (let p = 0; p < n; p++) sum += a[i * n + p]! * b[transB ? j * n + p : p * n + j]!;
    if (!(Math.abs(c[i * n + j]! - sum) < 1e-3)) {
      throw new Error(`gemm: ${name} gives ${c[i * n + j]} at [${i},${j}], not ${sum}`);
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

async function measure(product: GemmCase, peers: GemmPeer[]): Promise<Map<string, Timing>> {
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
  contestants.push({ name: "ceiling", run: await fmaCeiling(true, 2 * product.n ** 3) });
  return interleave(contestants, WARM_UPS, ROUNDS[product.n]!);
}

/** The speed of two threads over one at n=1024, by median; undefined where two cannot run. */
async function measureThreads(): Promise<number | undefined> {
  if (availableParallelism() < 2) {
    console.log("absent: two threads (one processor)");
    return undefined;
  }
  const product = randomCase(1024, false);
  const contestants: Contestant[] = [];
  for (const threads of [1, 2]) {
    const { name, prepare } = (await lowrankGemm(undefined, threads))!;
    const run = await prepare(product);
    checkResult(name, product, await run());
    contestants.push({ name, run });
  }
  const timings = await interleave(contestants, WARM_UPS, ROUNDS[1024]! * 2);
  console.log("\nn=1024, A*B, ms");
  const rows = [...timings].map(([name, { median, best }]) => [name, median.toFixed(1), best.toFixed(1)]);
  printTable(["", "median", "best"], rows);
  const [one, two] = [...timings.values()];
  return Number((one!.median / two!.median).toFixed(3));
}

/**
 * Prints GFLOP/s per implementation and ends with one line of JSON: our speed over the best peer's, that of two
 * threads over one, and that of wide SIMD over PyTorch's, by median.
 */
export async function bench(): Promise<void> {
  const threads2 = await measureThreads();
  const wide = await measureWide();
  const builds = [await lowrankGemm("relaxed"), await lowrankGemm("simd")].filter((build) => build !== undefined);
  const ours = builds[0]!.name;
  const peers = await loadPeers();
  console.log(`${machine()}, one thread; ratios are of ${ours}`);
  const figures: Record<string, number> = {};
  for (const n of [512, 1024]) {
    for (const transB of [false, true]) {
      const timings = await measure(randomCase(n, transB), [...builds, ...peers]);
      const gflops = (time: number) => ((2 * n ** 3) / time / 1e6).toFixed(1);
      console.log(`\nn=${n}, A*B${transB ? "ᵀ" : ""}, GFLOP/s`);
      printTable(
        ["", "median", "best"],
        [...timings].map(([name, { median, best }]) => [name, gflops(median), gflops(best)]),
      );
      const key = `ab${transB ? "t" : ""}${n}`;
      const mine = timings.get(ours)!;
      const rival = Math.min(...peers.map(({ name }) => timings.get(name)!.median));
      if (peers.length) figures[key] = Number((rival / mine.median).toFixed(3));
      figures[`${key}OfCeiling`] = Number((timings.get("ceiling")!.best / mine.best).toFixed(3));
    }
  }
  if (threads2 !== undefined) figures.threads2 = threads2;
  if (wide !== undefined) figures.wide = wide;
  console.log(`\n${JSON.stringify({ gemm: figures })}`);
}
