import { UnavailableError } from "@lowrank/core/functions";
import type { Gpu } from "../kernel/kernel.ts";
import { product } from "../kernels/products/product.ts";
import type { Trial } from "../selfCheck/checkSubgroups.ts";

/**
 * Number of products in each tested sum. It is not a multiple of 4 or 256, so that incomplete vectors and blocks at the
 * end are tested too.
 */
const terms = 301;

/** Number of rows of the tested matrix. */
const most = 20;

/** Returns `length` values from -1 to 1, spread evenly without a pattern that could hide errors in sums. */
const numbers = (length: number, seed: number): Float32Array<ArrayBuffer> =>
  Float32Array.from({ length }, (_, i) => 2 * ((seed + (i + 1) * 0.6180339887498949) % 1) - 1);

/** Names of the adapters that passed the test in this process, so that each is tested once. */
const kept = new Set<string>();

/**
 * Tests that a row of a matrix product has the same bits regardless of how many rows are computed with it. Drivers may
 * fuse or reorder floating-point operations, which would break batch-invariant mode. Throws `UnavailableError` if the
 * bits differ.
 */
export async function checkSameRows(adapter: string, gpu: Gpu, { place, run, read }: Trial): Promise<void> {
  if (kept.has(adapter)) return;
  const a = place([most, terms], numbers(most * terms, 0.25));
  for (const n of [70, 8]) {
    const w = place([terms, n], numbers(terms * n, 0.5));
    let alone: string | undefined;
    for (const [m, batches] of [[1], [3], [most], [most, 64]]) {
      const batch = batches ? { sizes: [batches], strides: [[0], [0]] } : undefined;
      const out = place([batches ?? 1, m, n], new Float32Array((batches ?? 1) * m * n));
      run(product({ a, w, out, m, n, k: terms, batch }, gpu));
      const found = `${(await read(out)).subarray(0, 4 * n)}`;
      alone ??= found;
      if (found !== alone) {
        throw new UnavailableError(
          `webgpu: on ${adapter}, a row of a matrix product depends on the other rows, so batchInvariant is not possible`,
          "leave batchInvariant out",
        );
      }
    }
  }
  kept.add(adapter);
}
