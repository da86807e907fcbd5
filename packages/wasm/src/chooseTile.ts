import type { Kernels } from "./kernelTypes.gen.ts";

/**
 * Products of this size are timed: large enough for a tile to show, small
 * enough to stay in the cache.
 */
const size = 96;

/** Bytes of memory that `chooseTile` uses. */
export const tileTrialBytes: number = 3 * 4 * size * size;

/** The tiles as `setTile` numbers them: the first is the one for most machines. */
const tiles = [0, 1, 2];

/** Milliseconds until the engine has optimised a tile's code, and of each trial after that. */
const [warmUp, trial] = [6, 3];

/**
 * Trials of each tile; and in all where another than the usual one seems faster, which
 * can be other work's doing.
 */
const [rounds, roundsInDoubt] = [2, 8];

/** The speed-up another tile must show, beyond the error of the clock. */
const advantage = 1.05;

/** The chosen tiles, by build and engine mode: a process measures once. */
const found = new Map<string, number>();

/** The smallest step of the clock, in milliseconds; pages have coarse ones. */
function clockStep(): number {
  const start = performance.now();
  let now = start;
  while (now === start) now = performance.now();
  return now - start;
}

/**
 * The tile that multiplies fastest here, measured in some 40 ms, once for each `mode` of a process.
 * `at` is the address of `tileTrialBytes` bytes to work in.
 */
export function chooseTile(kernels: Kernels, at: number, mode: string): number {
  const known = found.get(mode);
  if (known !== undefined) return known;
  const bytes = 4 * size * size;
  kernels.fill(at, 3 * size * size, 0);
  const productsIn = (milliseconds: number): number => {
    const start = performance.now();
    let count = 0;
    let elapsed = 0;
    for (; elapsed < milliseconds; elapsed = performance.now() - start) {
      kernels.gemm(at, at + bytes, at + 2 * bytes, size, size, size, size, size, size, 0, 0, 1, 0);
      count++;
    }
    return count / elapsed;
  };
  const best = tiles.map(() => 0);
  const clearly = advantage + clockStep() / trial;
  let fastest = 0;
  for (let round = -1; round < (fastest === 0 ? rounds : roundsInDoubt); round++) {
    for (const tile of tiles) {
      kernels.setTile(tile);
      const speed = productsIn(round < 0 ? warmUp : trial);
      if (round >= 0) best[tile] = Math.max(best[tile], speed);
    }
    const most = Math.max(...best);
    fastest = most > best[0] * clearly ? best.indexOf(most) : 0;
  }
  found.set(mode, fastest);
  return fastest;
}
