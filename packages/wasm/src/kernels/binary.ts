import { collapse, forEachPlane, sameShape } from "@lowrank/core/backend";
import type { KernelCode } from "./kernel.ts";
import type { Kernels } from "./kernelTypes.gen.ts";

/**
 * A kernel over `rows` runs of `n` elements. It takes addresses, then each operand's strides in elements: between rows,
 * and within a run (0 or 1). The output is contiguous.
 */
type PlaneKernel = (
  a: number,
  b: number,
  out: number,
  rows: number,
  n: number,
  aRow: number,
  bRow: number,
  aStep: number,
  bStep: number,
) => void;

/** Makes the code of a broadcasting op of two f32 tensors. */
export function binary(kernel: (k: Kernels) => PlaneKernel): KernelCode<void> {
  return (k, [a, b], [out]) => {
    const run = kernel(k);
    if (sameShape(a.shape, b.shape)) {
      run(a.ptr, b.ptr, out.ptr, 1, out.size, 0, 0, 1, 1);
      return;
    }
    forEachPlane(collapse(out.shape, [a.shape, b.shape]), (o, [i, j], { rows, length, row, inner }) => {
      run(a.ptr + 4 * i, b.ptr + 4 * j, out.ptr + 4 * o, rows, length, row[0], row[1], inner[0], inner[1]);
    });
  };
}
