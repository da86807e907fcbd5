import type { Kernels } from "./kernelTypes.gen.ts";
import { fastestOf } from "./trial.ts";

/** Side of the timed products: large enough to show differences between tiles, small enough to stay in the cache. */
const size = 96;

/** Bytes of memory that `chooseTile` needs. */
export const tileTrialBytes: number = 3 * 4 * size * size;

/** The tiles by their index in `setTile`: the first one suits most machines. */
const tiles = [0, 1, 2];

/** The chosen tiles, by build and engine mode: a process measures once. */
const found = new Map<string, number>();

/**
 * Returns the index of the tile that multiplies fastest here. Takes about 40 ms, once for each `mode` in a process.
 * `at` is the address of `tileTrialBytes` bytes of scratch.
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
