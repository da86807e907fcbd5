import type { KernelCode } from "./kernel.ts";
import type { Kernels } from "./kernelTypes.gen.ts";

/** Makes the kernel code for an activation's gradient op with the inputs (dy, x). */
export function activationBackward(
  kernel: (k: Kernels) => (dy: number, x: number, out: number, n: number) => void,
): KernelCode<void> {
  return (k, [dy, x], [out]) => kernel(k)(dy.ptr, x.ptr, out.ptr, out.size);
}
