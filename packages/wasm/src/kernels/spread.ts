import type { WasmTensor } from "../kernel.ts";
import type { Kernels } from "../kernelTypes.gen.ts";

/** The share of numbers that may round to zero without a word. */
const mostLost = 0.1;

/** Sides of the blocks of a weight that share a scale. */
const square = 64;

/** Warns once if a tenth of a weight [height,width], or of rows that meet it, gets the code 0. */
export function lookAtSpread(k: Kernels, { ptr, shape }: WasmTensor, x: number, rows: number, from: number): void {
  const ofWeight = k.int16LostShare(ptr, shape[0], shape[1], square);
  const ofRows = k.int16LostShare(x, rows, from, 1);
  if (Math.max(ofWeight, ofRows) > mostLost) {
    // A page that cannot load the sentence goes without it.
    import("./spreadWarning.ts").then(
      (it) => it.warnOfSpread(k, shape, ofWeight, ofRows),
      () => {},
    );
  }
}
