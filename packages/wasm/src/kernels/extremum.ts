import { alongDim } from "@lowrank/core/backend";
import type { KernelCode } from "./kernel.ts";

/** Makes the kernel code for `max` or `min` along one dimension. */
export function extremum(name: "max" | "min"): KernelCode<{ readonly dim: number }> {
  return (k, [x], [values, positions], { dim }) => {
    const { outer, n, inner } = alongDim(name, x.shape, dim);
    k.extremum(x.ptr, values.ptr, positions.ptr, outer, n, inner, name === "min" ? 1 : 0);
  };
}
