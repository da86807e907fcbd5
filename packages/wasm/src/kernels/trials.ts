import { dtypes } from "@lowrank/core/backend";
import type { Scratch } from "./kernel.ts";
import type { Kernels } from "./kernelTypes.gen.ts";

/** Milliseconds to run a function until the engine has optimised it, and milliseconds of each timed trial. */
const [warmUp, trial] = [6, 3];

/**
 * Number of trials if another function seems faster than the default so far. More trials are needed then, because other
 * work on the machine may have slowed down the default.
 */
const roundsInDoubt = 8;

/**
 * Another function replaces the default only if it is faster by at least this factor, which is larger than the
 * measuring error of the clock.
 */
const advantage = 1.05;

/** Returns the smallest step of the clock in milliseconds, which is coarse in web pages. */
function clockStep(): number {
  const start = performance.now();
  let now = start;
  while (now === start) now = performance.now();
  return now - start;
}

/**
 * Times functions that do the same work. Returns the index of the fastest one, or 0 (the default) unless another is
 * clearly faster. `rounds` is the number of trials after which the search ends if no function seems faster than the
 * default.
 */
export function fastestOf(runs: readonly (() => void)[], rounds = 2): number {
  const speedOf = (run: () => void, milliseconds: number): number => {
    const start = performance.now();
    let count = 0;
    let elapsed = 0;
    for (; elapsed < milliseconds; elapsed = performance.now() - start) {
      run();
      count++;
    }
    return count / elapsed;
  };
  const best = runs.map(() => 0);
  const clearly = advantage + clockStep() / trial;
  let fastest = 0;
  for (let round = -1; round < (fastest === 0 ? rounds : roundsInDoubt); round++) {
    for (const [i, run] of runs.entries()) {
      const speed = speedOf(run, round < 0 ? warmUp : trial);
      if (round >= 0) best[i] = Math.max(best[i], speed);
    }
    const most = Math.max(...best);
    fastest = most > best[0] * clearly ? best.indexOf(most) : 0;
  }
  return fastest;
}

/**
 * Side, in elements, of the square matrices that the trial multiplies. They are large enough to show which tile size is
 * faster, and small enough for the cache.
 */
const size = 96;

/** Bytes of memory that `chooseTile` needs. */
export const tileTrialBytes: number = 3 * 4 * size * size;

/** The numbers by which `setTile` selects a tile size. The first one suits most machines. */
const tiles = [0, 1, 2];

/** Fastest tile (its index in `tiles`) for each build and engine mode. It is measured once per process. */
const fastestTiles = new Map<string, number>();

/**
 * Measures which tile multiplies matrices fastest on this machine, and returns its index. Takes about 40 ms, once per
 * `mode` and process. `at` is the address of `tileTrialBytes` bytes of scratch memory.
 */
export function chooseTile(kernels: Kernels, at: number, mode: string): number {
  const known = fastestTiles.get(mode);
  if (known !== undefined) return known;
  const bytes = 4 * size * size;
  kernels.fill(at, 3 * size * size, 0);
  const runs = tiles.map((tile) => () => {
    kernels.setTile(tile);
    kernels.gemm(at, at + bytes, at + 2 * bytes, size, size, size, size, size, size, 0, 0, 1, 0);
  });
  const fastest = fastestOf(runs);
  fastestTiles.set(mode, fastest);
  return fastest;
}

/**
 * Kernels that timing trials have selected for integer products. Each trial runs at the first product that needs it.
 */
export interface MediumKernels {
  /**
   * Number of bits of the codes into which an f32 weight is rounded under the matmul precision "medium". It is 7, or 14
   * (as under "high") if 7 bits are not faster. Undefined before the trial.
   */
  readonly weightBits?: 7 | 14;
  /**
   * Width in bits of the integers in which matrix products with 4-bit codes first sum their terms. With 16, the
   * backward pass uses 4- and 5-bit weights as they are stored. With 32, it converts them to 7-bit codes first.
   * Undefined before the trial.
   */
  readonly nibbleSumBits?: 16 | 32;
}

/**
 * Number of trials (about 150 ms in all) after which the default kernel is kept unless another one is faster. With
 * fewer trials the choice could be wrong, because a busy machine optimises new code late. The choice can change
 * results.
 */
const patience = 25;

/** Sizes of the timed products: the rows of X, the columns of the result, and the number of terms of each sum. */
const [rows, columns, inner] = [32, 64, 512];

/** The kernels that timing trials selected, for each backend. */
const selected = new WeakMap<Kernels, MediumKernels>();

/** Stores the result of a timing trial. */
function choose(k: Kernels, choice: MediumKernels): void {
  selected.set(k, { ...selected.get(k), ...choice });
}

/** Returns the kernels that timing trials have selected for this backend so far. */
export function mediumKernels(k: Kernels): MediumKernels {
  return selected.get(k) ?? {};
}

function zeros(k: Kernels, scratch: Scratch, bytes: number): number {
  const ptr = scratch(bytes);
  k.fill(ptr, Math.ceil(bytes / 4), 0);
  return ptr;
}

/**
 * Returns the size in bits of the weight codes, 7 or 14, with which products of f32 weights are faster. It is measured
 * once per backend.
 */
export function mediumWeightBits(k: Kernels, scratch: Scratch): 7 | 14 {
  const known = selected.get(k);
  if (known?.weightBits) return known.weightBits;
  const [x, out] = [zeros(k, scratch, 4 * rows * inner), scratch(4 * rows * columns)];
  const [bytes, shorts] = [scratch(k.int8RowsBytes(rows, inner, 1)), scratch(k.int16RowsBytes(rows, inner))];
  const panels = zeros(k, scratch, k.int8WeightBytes(columns, inner));
  const squares = zeros(k, scratch, k.int16WeightBytes(columns, inner));
  const work = scratch(k.codesScratch());
  const inShorts = () => {
    k.quantizeInt16(x, shorts, rows, inner);
    k.int16Product(shorts, squares, columns, inner, 1, out, rows, 0, columns, work, 0, 0, 0);
  };
  const inBytes = () => {
    k.quantizeInt8(x, bytes, rows, inner, 1);
    k.int8Product(bytes, panels, out, rows, columns, inner, 0, columns, work);
  };
  const weightBits = fastestOf([inShorts, inBytes], patience) === 1 ? 7 : 14;
  choose(k, { weightBits });
  return weightBits;
}

/**
 * Selects the integers in which matrix products with 4-bit codes first sum their terms: the faster of 16 and 32 bits.
 * Returns 1 for 16 bits, 0 for 32. Both give the same results.
 */
export function chooseNibbleSums(k: Kernels, scratch: Scratch): 0 | 1 {
  const known = selected.get(k)?.nibbleSumBits;
  if (known) return known === 16 ? 1 : 0;
  // No format uses more bytes in a row of blocks than f32.
  const [codes, blocks] = [zeros(k, scratch, 2 * rows * inner), zeros(k, scratch, 4 * columns * inner)];
  const [out, work] = [scratch(4 * rows * columns), scratch(k.codesScratch())];
  const format = dtypes.indexOf("q4_1");
  const summed = (inShort: number) => () => {
    k.setShortSums(inShort);
    k.linearInt8(codes, 1, blocks, format, out, rows, columns, inner, 0, columns, work);
  };
  const inShort = fastestOf([summed(0), summed(1)], patience) === 1 ? 1 : 0;
  k.setShortSums(inShort);
  choose(k, { nibbleSumBits: inShort === 1 ? 16 : 32 });
  return inShort;
}
