import { dtypeNumber, type Scratch, type WasmTensor } from "./kernel.ts";
import type { Kernels } from "./kernelTypes.gen.ts";

/** Largest fraction of the activations' elements that may round to zero before a warning is printed. */
const mostLost = 0.1;

/**
 * Side, in elements, of the square blocks into which a weight is divided for 14-bit codes. The elements of a block
 * share one scale.
 */
const side = 64;

/**
 * If more than 1 / `fewest` of a weight's square blocks are wide (see `wideSquares`), the weight is multiplied in f32.
 */
const fewest = 5;

/**
 * Finds the wide square blocks of a weight. A block is wide if the magnitudes of its elements differ too much for codes
 * that share one scale. Returns the address of one byte per block (1 if wide), or 0 if no block is wide.
 */
export function wideSquares(k: Kernels, scratch: Scratch, w: WasmTensor): number {
  return scratch.kept(w, "wide squares", squaresOf(w), (ptr) => markSquares(k, scratch, w, ptr) > 0);
}

/**
 * Returns true if few square blocks of the weight are wide (see `wideSquares`), so that integer codes for the other
 * blocks still save time.
 */
export function hasFewWide(k: Kernels, scratch: Scratch, w: WasmTensor): boolean {
  const isFew = () => fewest * markSquares(k, scratch, w, scratch(squaresOf(w))) <= squaresOf(w);
  return scratch.kept(w, "few wide squares", 1, isFew) !== 0;
}

const squaresOf = ({ shape: [height, width] }: WasmTensor) => Math.ceil(height / side) * Math.ceil(width / side);

/**
 * Writes one byte per square block of the weight (of any dtype) to `marks`: 1 if the block is wide (see `wideSquares`),
 * otherwise 0. Returns the number of wide blocks.
 */
function markSquares(k: Kernels, scratch: Scratch, w: WasmTensor, marks: number): number {
  const [height, width] = w.shape;
  const work = scratch(k.codesScratch());
  if (w.dtype === "f32") return k.markWideSquares(w.ptr, height, width, marks, work);
  const rows = scratch(4 * side * width);
  const across = Math.ceil(width / side);
  let count = 0;
  for (let top = 0; top < height; top += side) {
    const there = Math.min(side, height - top);
    k.unpackRow(dtypeNumber(w), w.ptr, top * width, there * width, rows);
    count += k.markWideSquares(rows, there, width, marks + (top / side) * across, work);
  }
  return count;
}

/** Prints a warning if more than a tenth of the elements of x [rows, from] would round to the code 0. */
export function countZeroedRows(k: Kernels, { shape }: WasmTensor, x: number, rows: number, from: number): void {
  const share = k.int16LostShare(x, rows, from);
  if (share <= mostLost) return;
  // A page that cannot load the warning's module continues without the warning.
  import("./spreadWarning.ts").then(
    (it) => it.warnOfZeroedRows(k, shape, share),
    () => {},
  );
}
