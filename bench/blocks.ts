// Compares weights in GGUF's block formats on one thread: one row as in decoding and many rows as in a prompt, both
// also with int8 activations. Also measures the product of the backward pass.
import {
  type BlockDType,
  blockFormats,
  Generator,
  init,
  matmul,
  packedTensor,
  randn,
  type Tensor,
} from "@lowrank/core";
import { linearWithInt8Activations } from "@lowrank/core/internal";
import { wasm } from "@lowrank/wasm";
import { interleave, machine, printTable, type Timing } from "./lib/measure.ts";

const WARM_UPS = 5;

/** Sizes of a Llama with a billion parameters: hidden size and MLP width. */
const [K, N] = [2048, 8192];

/** Number of weights per format, used in turn because a single one might stay in the CPU cache. */
const WEIGHTS = 3;

const dtypes = Object.keys(blockFormats) as BlockDType[];

/** Makes a weight [N, K] of random codes with scales of moderate size. */
function randomWeight(dtype: BlockDType, seed: number): Tensor {
  const { elements, bytes, halves } = blockFormats[dtype].block;
  let state = seed;
  const blocks = Uint8Array.from({ length: ((N * K) / elements) * bytes }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
  for (let at = 0; at < blocks.length; at += bytes) {
    // The upper byte of f16 values from 2^-10 on.
    for (const half of halves) blocks[at + half + 1] = 0x14;
  }
  return packedTensor(blocks, { shape: [N, K], dtype });
}

interface Product {
  readonly m: number;
  readonly transposeB: boolean;
  readonly rounds: number;
  /** True to round the rows to int8. */
  readonly inBytes?: boolean;
}

const products: Record<string, Product> = {
  row: { m: 1, transposeB: true, rounds: 60 },
  prompt: { m: 128, transposeB: true, rounds: 8 },
  "row in bytes": { m: 1, transposeB: true, rounds: 60, inBytes: true },
  "prompt in bytes": { m: 128, transposeB: true, rounds: 8, inBytes: true },
  gradient: { m: 128, transposeB: false, rounds: 8 },
};

/** Measures a product with each format. Returns medians in milliseconds. */
async function measure({ m, transposeB, rounds, inBytes }: Product, weights: Map<BlockDType, Tensor[]>) {
  const x = randn([m, transposeB ? K : N], { generator: new Generator(1) });
  const product = (w: Tensor) => (inBytes ? linearWithInt8Activations(x, w) : matmul(x, w, { transposeB }));
  const contestants = [...weights].map(([name, own]) => {
    let turn = 0;
    return { name, run: async () => product(own[turn++ % own.length]!).dispose() };
  });
  const timings = await interleave(contestants, WARM_UPS, rounds);
  x.dispose();
  return timings;
}

/** Runs `pnpm bench blocks`. */
export async function bench(): Promise<void> {
  const backend = await init(wasm());
  for (const dtype of dtypes) await backend.prepare?.(dtype);
  console.log(machine());
  const weights = new Map(
    dtypes.map((dtype) => [dtype, Array.from({ length: WEIGHTS }, (_, i) => randomWeight(dtype, i + 1))]),
  );
  for (const [name, product] of Object.entries(products)) {
    const timings = await measure(product, weights);
    const { m, transposeB } = product;
    const [from, to] = transposeB ? [K, N] : [N, K];
    console.log(`\n${name}: [${m},${from}] to [${m},${to}] by a weight [${N},${K}], ${WEIGHTS} weights in turn`);
    const usual = timings.get("q4_1")!;
    const row = ([dtype, { median, best }]: [string, Timing]) => [
      ...[dtype, median.toFixed(2), best.toFixed(2)],
      ...[(usual.median / median).toFixed(2), (usual.best / best).toFixed(2)],
    ];
    printTable(["", "ms", "best", "q4_1 = 1", "best"], [...timings].map(row));
  }
}
