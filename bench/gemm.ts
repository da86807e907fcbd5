// Compares f32 matrix products on one thread with JavaScript alternatives, interleaved in one process, and with the
// limit of 128-bit SIMD. Also compares two threads of Lowrank with one, and wide SIMD with PyTorch.
import { availableParallelism } from "node:os";
import { checkResult, flopsOf, type GemmSizes, measureCeiling, race, randomCase } from "./lib/gemmRace.ts";
import { type Contestant, geometricMean, interleave, machine, marginCell, printTable } from "./lib/measure.ts";
import { measureWide } from "./lib/wideGemm.ts";
import type { GemmPeer } from "./peers/gemmPeer.ts";
import { loadPeers } from "./peers/loadPeers.ts";
import { lowrankGemm } from "./peers/lowrankGemm.ts";

const WARM_UPS = 5;

const square = (n: number, transB: boolean): GemmSizes => ({ m: n, n, k: n, transB });

/** The square products by JSON key, and the number of rounds of each. */
const squares: Record<string, GemmSizes & { rounds: number }> = {
  ab512: { ...square(512, false), rounds: 40 },
  abt512: { ...square(512, true), rounds: 40 },
  ab1024: { ...square(1024, false), rounds: 15 },
  abt1024: { ...square(1024, true), rounds: 15 },
};

/** The products of attention with 32 heads: queries by keys, then scores by values. */
const batched: (GemmSizes & { rounds: number })[] = [
  { batch: 32, m: 256, n: 256, k: 64, transB: true, rounds: 20 },
  { batch: 32, m: 256, n: 64, k: 256, rounds: 20 },
];

/** Returns the speed of two threads over one at n=1024, by median; undefined if two threads are not possible. */
async function measureThreads(): Promise<number | undefined> {
  if (availableParallelism() < 2) {
    console.log("absent: two threads (one processor)");
    return undefined;
  }
  const product = randomCase(square(1024, false));
  const contestants: Contestant[] = [];
  for (const threads of [1, 2]) {
    const { name, prepare } = (await lowrankGemm(undefined, threads))!;
    const run = await prepare(product);
    checkResult(name, product, await run());
    contestants.push({ name, run });
  }
  const timings = await interleave(contestants, WARM_UPS, 30);
  console.log("\nn=1024, A*B, ms");
  const rows = [...timings].map(([name, timing]) => [
    name,
    timing.median.toFixed(1),
    timing.best.toFixed(1),
    marginCell(timing),
  ]);
  printTable(["", "median", "best", "mean"], rows);
  const [one, two] = [...timings.values()];
  return one!.median / two!.median;
}

function title({ batch = 1, m, n, k, transB }: GemmSizes): string {
  if (batch === 1) return `n=${n}, A*B${transB ? "ᵀ" : ""}`;
  return `[${batch},${m},${k}] * [${batch},${transB ? `${n},${k}]ᵀ` : `${k},${n}]`}`;
}

/** Prints the GFLOP/s of all contestants for a product. Returns Lowrank's speed over the best peer's, by median. */
async function measure(
  sizes: GemmSizes & { rounds: number },
  builds: GemmPeer[],
  peers: GemmPeer[],
): Promise<number | undefined> {
  const product = randomCase(sizes);
  const timings = await race(product, [...builds, ...peers], WARM_UPS, sizes.rounds);
  const gflops = (time: number) => (flopsOf(product) / time / 1e6).toFixed(1);
  console.log(`\n${title(sizes)}, GFLOP/s`);
  printTable(
    ["", "median", "best", "mean"],
    [...timings].map(([name, timing]) => [name, gflops(timing.median), gflops(timing.best), marginCell(timing)]),
  );
  if (peers.length === 0) return undefined;
  const rival = Math.min(...peers.map(({ name }) => timings.get(name)!.median));
  return rival / timings.get(builds[0]!.name)!.median;
}

/**
 * Prints GFLOP/s per implementation and one line of JSON. It has Lowrank's speed over the best peer's by median
 * (`batched`: geometric mean of two products), the share of the 128-bit limit at n=1024, two threads over one, and wide
 * SIMD over PyTorch.
 */
export async function bench(): Promise<void> {
  const figures: Record<string, number> = {};
  const note = (key: string, value: number | undefined) => {
    if (value !== undefined) figures[key] = Number(value.toFixed(3));
  };
  const threads2 = await measureThreads();
  const wide = await measureWide();
  const builds = [await lowrankGemm("relaxed"), await lowrankGemm("simd")].filter((build) => build !== undefined);
  const peers = await loadPeers();
  console.log(`${machine()}, one thread; ratios are of ${builds[0]!.name}`);
  for (const [key, sizes] of Object.entries(squares)) note(key, await measure(sizes, builds, peers));
  const ratios: number[] = [];
  for (const sizes of batched) {
    const ratio = await measure(sizes, builds, peers);
    if (ratio !== undefined) ratios.push(ratio);
  }
  if (ratios.length > 0) note("batched", geometricMean(ratios));
  note("ceiling", await measureCeiling(1024));
  note("threads2", threads2);
  note("wide", wide);
  console.log(`\n${JSON.stringify({ gemm: figures })}`);
}
