import { collapse, forEachPlane, sameShape } from "@lowrank/core/backend";
import type { KernelCode } from "./kernel.ts";
import type { Kernels } from "./kernelTypes.gen.ts";

/**
 * A WebAssembly kernel for two operands viewed as `rows` x `n` elements. Each operand has an address, a stride between
 * rows, and a stride within a row (0 or 1), in elements. The output is contiguous.
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

/** Makes the kernel code for a broadcasting op on two f32 tensors. */
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
