// Compares NF4 weights with f32 weights of the same shape on one thread. Measures a linear layer's product, one row of
// it as in decoding, and a QLoRA step against a LoRA step.
import { Generator, init, matmul, quantize4bit, randn, type Tensor } from "@lowrank/core";
import { wasm } from "@lowrank/wasm";
import { loraStepCases, makeLoraStep } from "./lib/loraStep.ts";
import { type Contestant, interleave, machine, printTable, type Timing } from "./lib/measure.ts";

const WARM_UPS = 5;

/** The product of x [m, n] and the transpose of a weight [n, n]. */
interface Product {
  m: number;
  n: number;
  /**
   * Number of weights of each kind, used in turn like the weights of a model's layers. A single one would stay in the
   * CPU cache.
   */
  weights: number;
  rounds: number;
}

const products: Record<string, Product> = {
  // 32 MB of f32 weights, 5 MB in NF4.
  m128: { m: 128, n: 1024, weights: 8, rounds: 160 },
  m512: { m: 512, n: 1024, weights: 8, rounds: 80 },
  // 256 MB of f32 weights, 38 MB in NF4.
  gemv4096: { m: 1, n: 4096, weights: 4, rounds: 160 },
};

const steps = { rounds: 25, seconds: 120 };

/** Throws if the product with a packed weight differs from the product with the same weight in f32. */
function checkProduct(x: Tensor, weight: Tensor): void {
  using wide = weight.to("f32");
  using expected = matmul(x, wide, { transposeB: true });
  using found = matmul(x, weight, { transposeB: true });
  const [e, f] = [expected.dataSync(), found.dataSync()];
  // A sum of 4096 products of values near 1, rounded in another order.
  const at = e.findIndex((value, i) => !(Math.abs(value - f[i]!) < 2e-3));
  if (at >= 0) throw new Error(`nf4: number ${at} of the product is ${f[at]}, not ${e[at]}`);
}

/** Returns a contestant that multiplies by the next weight in each call. */
function contestant(name: string, x: Tensor, weights: readonly Tensor[]): Contestant {
  let turn = 0;
  const run = async () => matmul(x, weights[turn++ % weights.length]!, { transposeB: true }).dispose();
  return { name, run };
}

const speedOf = (timings: Map<string, Timing>): number => timings.get("f32")!.median / timings.get("nf4")!.median;

async function measureProduct({ m, n, weights, rounds }: Product): Promise<number> {
  const generator = new Generator(1);
  const x = randn([m, n], { generator });
  const full = Array.from({ length: weights }, () => randn([n, n], { generator }));
  const packed = full.map((weight) => quantize4bit(weight, { quantType: "nf4", blockSize: 64 }));
  checkProduct(x, packed[0]!);
  const contestants = [contestant("f32", x, full), contestant("nf4", x, packed)];
  const timings = await interleave(contestants, WARM_UPS, rounds);
  for (const tensor of [x, ...full, ...packed]) tensor.dispose();
  console.log(`\n[${m},${n}] times the transpose of [${n},${n}], ${weights} weights in turn`);
  const gflops = (time: number) => ((2 * m * n * n) / time / 1e6).toFixed(1);
  const row = ([name, { median, best }]: [string, Timing]) => [
    name,
    ...[median, best].map((time) => time.toFixed(3)),
    ...[median, best].map(gflops),
  ];
  printTable(["", "ms", "best", "GFLOP/s", "best"], [...timings].map(row));
  return speedOf(timings);
}

async function measureStep(): Promise<number> {
  const subject = loraStepCases.m135;
  const run = (step: () => number) => async () => step();
  const contestants = [
    { name: "f32", run: run(await makeLoraStep(subject)) },
    { name: "nf4", run: run(await makeLoraStep(subject, { quantType: "nf4", blockSize: 64, doubleQuant: true })) },
  ];
  const timings = await interleave(contestants, 2, steps.rounds, steps.seconds);
  const { batch, tokens, rank } = subject;
  console.log(
    `\na step of LoRA r ${rank} on all linear layers of SmolLM2-135M's shape, B=${batch} T=${tokens}: f32 weights, and NF4 with double quantisation`,
  );
  const speed = (time: number) => ((1000 * batch * tokens) / time).toFixed(1);
  printTable(
    ["", "ms", "best", "tokens/s", "best"],
    [...timings].map(([name, { median, best }]) => {
      return [name, median.toFixed(1), best.toFixed(1), speed(median), speed(best)];
    }),
  );
  return speedOf(timings);
}

/** Prints tables and one line of JSON: the speed with NF4 weights over the speed with f32 weights, by median. */
export async function bench(): Promise<void> {
  console.log(`${machine()}, one thread; blocks of 64`);
  await init(wasm({ threads: 1 }));
  const figures: Record<string, number> = {};
  for (const [key, product] of Object.entries(products)) figures[key] = await measureProduct(product);
  figures.step = await measureStep();
  const rounded = Object.fromEntries(Object.entries(figures).map(([key, value]) => [key, Number(value.toFixed(3))]));
  console.log(`\n${JSON.stringify({ nf4: rounded })}`);
}
