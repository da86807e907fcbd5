import { Generator, init, matmul, randn } from "@lowrank/core";
import { wasm } from "@lowrank/wasm";
import { medianTime } from "./medianTime.ts";
import type { Parts } from "./subject.ts";

/** Times square matrix products and the products of attention, on one thread. */
export async function gemm(): Promise<Parts> {
  await init(wasm());
  const generator = new Generator(0);
  const time = async (a: number[], b: number[], transposeB: boolean, runs: number) => {
    const [left, right] = [randn(a, { generator }), randn(b, { generator })];
    const median = await medianTime(() => matmul(left, right, { transposeB }).dispose(), 5, runs);
    left.dispose();
    right.dispose();
    return median;
  };
  return {
    ab512: await time([512, 512], [512, 512], false, 40),
    abt512: await time([512, 512], [512, 512], true, 40),
    ab1024: await time([1024, 1024], [1024, 1024], false, 15),
    abt1024: await time([1024, 1024], [1024, 1024], true, 15),
    scores: await time([32, 256, 64], [32, 256, 64], true, 20),
    values: await time([32, 256, 256], [32, 256, 64], false, 20),
  };
}
