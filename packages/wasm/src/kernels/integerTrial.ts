import { dtypes } from "@lowrank/core/backend";
import type { Scratch } from "./kernel.ts";
import type { Kernels } from "./kernelTypes.gen.ts";
import { fastestOf } from "./trial.ts";

/** Choices for integer products; each is made by a trial at the first such product. */
export interface MediumKernels {
  /** Bits of the codes of a weight that is stored in f32: 7, or 14 as for "high". */
  readonly weightBits?: 7 | 14;
  /**
   * Bits of the sums of products with 4-bit codes before they are widened. With 16, gradients use codes of 4 and 5 bits
   * as they are stored; with 32 they use codes of 7 bits.
   */
  readonly nibbleSumBits?: 16 | 32;
}

/**
 * Trials before the first of two ways is kept, about 150 ms. On a busy machine the engine optimises new code late, and
 * results may depend on the choice.
 */
const patience = 25;

/** Rows, columns, and elements along the contraction of the timed products. */
const [rows, columns, inner] = [32, 64, 512];

/** Choices of trials, by a backend's kernels. */
const found = new WeakMap<Kernels, MediumKernels>();

/** Keeps a choice of a trial. */
function choose(k: Kernels, choice: MediumKernels): void {
  found.set(k, { ...found.get(k), ...choice });
}

/** Returns the choices that trials have made for these kernels so far. */
export function mediumKernels(k: Kernels): MediumKernels {
  return found.get(k) ?? {};
}

function zeros(k: Kernels, scratch: Scratch, bytes: number): number {
  const ptr = scratch(bytes);
  k.fill(ptr, Math.ceil(bytes / 4), 0);
  return ptr;
}

/** Returns the code bits that are faster for weights in f32, measured once. */
export function mediumWeightBits(k: Kernels, scratch: Scratch): 7 | 14 {
  const known = found.get(k);
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
 * Chooses the width of sums of products with 4-bit codes; both give the same bits. Returns 1 for 16-bit sums, otherwise
 * 0.
 */
export function chooseNibbleSums(k: Kernels, scratch: Scratch): 0 | 1 {
  const known = found.get(k)?.nibbleSumBits;
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
