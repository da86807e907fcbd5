import { UnavailableError } from "@lowrank/core/functions";
import type { Gpu, GpuTensor } from "../kernel.ts";
import { product } from "../kernels/products/product.ts";
import type { Dispatch } from "../wgsl/shader.ts";

/** Terms of the sums that are tried: they end inside of a part, and of four. */
const terms = 301;

/** Columns of a product, and the numbers of rows that it is made with, in so many matrices. */
const trials = [
  { columns: 70, rows: [[1], [3], [20], [20, 64]] },
  { columns: 8, rows: [[1], [20]] },
] as const;

/** The parts of a backend that the trial uses. */
interface Device {
  readonly gpu: Gpu;
  /** Makes a tensor with these numbers, until all is over. */
  place(shape: readonly number[], numbers: Float32Array<ArrayBuffer>): GpuTensor;
  run(runs: readonly Dispatch[]): void;
  read(tensor: GpuTensor): Promise<Uint8Array>;
}

/** Numbers from -1 to 1 without a pattern that sums could show. */
const numbers = (length: number, seed: number): Float32Array<ArrayBuffer> =>
  Float32Array.from({ length }, (_, i) => 2 * ((seed + (i + 1) * 0.6180339887498949) % 1) - 1);

/** Adapters of this process that keep the promise: each is tried once. */
const kept = new Set<string>();

/**
 * Tries on an adapter that a row of a product has the same bits however many rows are made with it.
 * Drivers may fuse or reorder what kernels say. Throws where one does.
 */
export async function checkSameRows(adapter: string, { gpu, place, run, read }: Device): Promise<void> {
  if (kept.has(adapter)) return;
  for (const { columns: n, rows } of trials) {
    const w = place([terms, n], numbers(terms * n, 0.5));
    const most = Math.max(...rows.map(([m]) => m));
    const a = place([most, terms], numbers(most * terms, 0.25));
    let alone: string | undefined;
    for (const [m, batches] of rows) {
      const batch = batches === undefined ? undefined : { sizes: [batches], strides: [[0], [0]] };
      const out = place([batches ?? 1, m, n], new Float32Array((batches ?? 1) * m * n));
      run(product({ a, w, out, m, n, k: terms, batch }, gpu));
      const found = `${(await read(out)).subarray(0, 4 * n)}`;
      alone ??= found;
      if (found === alone) continue;
      throw new UnavailableError(
        `webgpu: on ${adapter} a row of a product has other bits among ${m} rows than alone, so it cannot be batch-invariant`,
        "leave batchInvariant out",
      );
    }
  }
  kept.add(adapter);
}
