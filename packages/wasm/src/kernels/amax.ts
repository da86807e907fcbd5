import type { amax, amin } from "@lowrank/core/backend";
import { collapse, forEachPlane } from "@lowrank/core/backend";
import { bitsOf } from "./bits.ts";
import { type KernelCode, kernel, type WasmKernel } from "./kernel.ts";

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
