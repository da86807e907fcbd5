import {
  alongDim,
  type amax,
  type amin,
  collapse,
  type cumsum,
  forEachPlane,
  type max,
  type min,
} from "@lowrank/core/backend";
import { bitsOf, type KernelCode, kernel, type WasmKernel } from "./kernel.ts";

/** Makes the kernel code for `max` or `min` along one dimension. */
function extremum(name: "max" | "min"): KernelCode<{ readonly dim: number }> {
  return (k, [x], [values, positions], { dim }) => {
    const { outer, n, inner } = alongDim(name, x.shape, dim);
    k.extremum(x.ptr, values.ptr, positions.ptr, outer, n, inner, name === "min" ? 1 : 0);
  };
}

export const maxKernel: WasmKernel = kernel<typeof max>("max", extremum("max"));

export const minKernel: WasmKernel = kernel<typeof min>("min", extremum("min"));

/** Makes the code of `amax` or `amin`, over any dimensions. */
function extrema(start: number, smallest: 0 | 1): KernelCode<unknown> {
  return (k, [x], [out]) => {
    k.fill(out.ptr, out.size, bitsOf(start, "f32"));
    forEachPlane(collapse(x.shape, [out.shape]), (i, [o], { rows, length, row, inner }) => {
      k.extremumPlane(x.ptr + 4 * i, out.ptr + 4 * o, rows, length, row[0], inner[0], smallest);
    });
  };
}

export const amaxKernel: WasmKernel = kernel<typeof amax>("amax", extrema(-Infinity, 0));

export const aminKernel: WasmKernel = kernel<typeof amin>("amin", extrema(Infinity, 1));

export const cumsumKernel: WasmKernel = kernel<typeof cumsum>("cumsum", (k, [x], [out], { dim }, scratch) => {
  const { outer, n, inner } = alongDim("cumsum", x.shape, dim);
  k.cumsum(x.ptr, out.ptr, scratch(8 * inner), outer, n, inner);
});
