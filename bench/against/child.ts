// `child.js SUBJECT OPTIONS`: measures one subject in a separate process with the packages of the folder that it is in.
// Prints one line of JSON: milliseconds or bytes by part. It is bundled and also runs in another commit's folder. So it
// uses only what the packages export, and awaits results that are promises in only one of the commits.

import { add, Generator, init, matmul, randn, tensor } from "@lowrank/core";
import { wasm } from "@lowrank/wasm";
import { peakBytes } from "../lib/serveSteps.ts";
import { decode } from "./decode.ts";
import { loraStep } from "./loraStep.ts";
import { serve } from "./serve.ts";
import type { ChildOptions, Parts } from "./subject.ts";

/** Calls `run` `warmUps` times unmeasured and `runs` times measured. Returns the median time in milliseconds. */
async function medianTime(run: () => unknown, warmUps: number, runs: number): Promise<number> {
  for (let i = 0; i < warmUps; i++) await run();
  const times: number[] = [];
  for (let i = 0; i < runs; i++) {
    const start = performance.now();
    await run();
    times.push(performance.now() - start);
  }
  return times.sort((x, y) => x - y)[runs >> 1]!;
}

/** Times square matrix products and the products of attention, on one thread. */
async function gemm(): Promise<Parts> {
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

/** Times a LoRA step of a Llama with 15M parameters and of SmolLM2-135M, on one thread. */
async function step({ m15, m135 }: ChildOptions): Promise<Parts> {
  await init(wasm());
  return {
    m15: await medianTime(await loraStep(m15, 4, 256), 2, 5),
    m135: await medianTime(await loraStep(m135, 1, 128), 1, 3),
  };
}

/** Returns the peak memory of this process in bytes for two steps of LoRA or QLoRA on SmolLM2-135M. */
async function memory({ m135, part }: ChildOptions): Promise<Parts> {
  await init(wasm());
  const quantize = { quantType: "nf4", doubleQuant: true } as const;
  const run = await loraStep(m135, 1, 128, part === "qlora" ? { quantize, weights: "packed" } : {});
  await run();
  await run();
  return { [part as string]: peakBytes() };
}

const calls = 10_000;

/** Times 10,000 calls of `add` on two tensors of one element, with gradients recorded and the results disposed. */
async function dispatch(): Promise<Parts> {
  await init(wasm());
  const [a, b] = [tensor([1], { requiresGrad: true }), tensor([2], { requiresGrad: true })];
  const run = () => {
    for (let i = 0; i < calls; i++) add(a, b).dispose();
  };
  return { add: await medianTime(run, 5, 25) };
}

const subjects: Record<string, (options: ChildOptions) => Promise<Parts>> = {
  step,
  gemm,
  decode,
  memory,
  dispatch,
  serve,
};
const [subject, options] = process.argv.slice(2) as [string, string];
console.log(JSON.stringify(await subjects[subject]!(JSON.parse(options) as ChildOptions)));
process.exit(0);
