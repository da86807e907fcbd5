import { matmul, tensor } from "@lowrank/core";
import { wasm } from "@lowrank/wasm";
import { fmaCeiling } from "./fmaCeiling.ts";
import { checkResult, flopsOf, randomCase } from "./gemmRace.ts";
import { type Contestant, interleave, printTable } from "./measure.ts";

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
