import type { Kernels } from "./kernelTypes.gen.ts";
import { fastestOf } from "./trial.ts";

/**
 * Side of the square matrices that the trial multiplies: large enough to show differences, small enough for the cache.
 */
const size = 96;

/** Bytes of memory that `chooseTile` needs. */
export const tileTrialBytes: number = 3 * 4 * size * size;

/** The numbers by which `setTile` selects a tile size. The first one suits most machines. */
const tiles = [0, 1, 2];

/** Fastest tile (its index in `tiles`) for each build and engine mode. It is measured once per process. */
const found = new Map<string, number>();

/**
 * Measures which tile multiplies matrices fastest on this machine, and returns its index. Takes about 40 ms, once per
 * `mode` and process. `at` is the address of `tileTrialBytes` bytes of scratch memory.
 */
export function chooseTile(kernels: Kernels, at: number, mode: string): number {
  const known = found.get(mode);
  if (known !== undefined) return known;
  const bytes = 4 * size * size;
  kernels.fill(at, 3 * size * size, 0);
  const runs = tiles.map((tile) => () => {
    kernels.setTile(tile);
    kernels.gemm(at, at + bytes, at + 2 * bytes, size, size, size, size, size, size, 0, 0, 1, 0);
  });
  const fastest = fastestOf(runs);
  found.set(mode, fastest);
  return fastest;
}
