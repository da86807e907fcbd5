import type { KernelCode } from "./kernel.ts";
import type { Kernels } from "./kernelTypes.gen.ts";

/** Makes the kernel code for an elementwise function of one f32 tensor. */
export function unary(kernel: (k: Kernels) => (x: number, out: number, n: number) => void): KernelCode<void> {
  return (k, [x], [out]) => kernel(k)(x.ptr, out.ptr, out.size);
}
