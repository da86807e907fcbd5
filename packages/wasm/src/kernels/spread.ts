import { dtypeNumber } from "./dtypeNumber.ts";
import type { Scratch, WasmTensor } from "./kernel.ts";
import type { Kernels } from "./kernelTypes.gen.ts";

/** The largest fraction of the elements of rows that may round to zero without a warning. */
const mostLost = 0.1;

/** Side of the squares of a weight that share a scale. */
const side = 64;

/** The whole weight is multiplied in f32 if more than one in this many squares is wide. */
const fewest = 5;

/**
 * Returns the address of a byte for each square of a weight: 1 if a row or a column of the square is too small for the
 * scale that all its elements would share. Returns 0 if the weight contains no such square.
 */
export function wideSquares(k: Kernels, scratch: Scratch, w: WasmTensor): number {
  return scratch.kept(w, "wide squares", squaresOf(w), (ptr) => markSquares(k, scratch, w, ptr) > 0);
}

/** True if few squares of a weight are wide, so that codes for the others save time. */
export function hasFewWide(k: Kernels, scratch: Scratch, w: WasmTensor): boolean {
  const isFew = () => fewest * markSquares(k, scratch, w, scratch(squaresOf(w))) <= squaresOf(w);
  return scratch.kept(w, "few wide squares", 1, isFew) !== 0;
}

const squaresOf = ({ shape: [height, width] }: WasmTensor) => Math.ceil(height / side) * Math.ceil(width / side);

/** Marks the wide squares of a weight of any dtype and returns their count. */
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

/** Warns if more than a tenth of the elements of the rows round to the code 0. */
export function countZeroedRows(k: Kernels, { shape }: WasmTensor, x: number, rows: number, from: number): void {
  const share = k.int16LostShare(x, rows, from);
  if (share <= mostLost) return;
  // A page that cannot load the warning's module continues without the warning.
  import("./spreadWarning.ts").then(
    (it) => it.warnOfZeroedRows(k, shape, share),
    () => {},
  );
}
