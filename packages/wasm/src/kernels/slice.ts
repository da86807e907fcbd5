import type { place, slice } from "@lowrank/core/backend";
import { alongDim, bytesPerElement, slicePlan } from "@lowrank/core/backend";
import { bitsOf } from "./dtypeNumber.ts";
import { kernel, type WasmKernel } from "./kernel.ts";

export const sliceKernel: WasmKernel = kernel<typeof slice>("slice", (k, [x], [out], params) => {
  const { outer, n, inner, start, step, count } = slicePlan(x, params);
  const bytes = inner * bytesPerElement(x.dtype);
  if (step === 1) {
    k.copyBlocks(x.ptr + start * bytes, out.ptr, outer, 1, count * bytes, n * bytes, 0, count * bytes, 0);
  } else {
    k.copyBlocks(x.ptr + start * bytes, out.ptr, outer, count, bytes, n * bytes, step * bytes, count * bytes, bytes);
  }
});

export const placeKernel: WasmKernel = kernel<typeof place>(
  "place",
  (k, [x], [out], { dim, size, start, step = 1, value = 0 }) => {
    const { outer, n, inner } = alongDim("place", x.shape, dim);
    const bytes = 4 * inner;
    k.fill(out.ptr, out.size, bitsOf(value, x.dtype));
    if (step === 1) {
      k.copyBlocks(x.ptr, out.ptr + start * bytes, outer, 1, n * bytes, n * bytes, 0, size * bytes, 0);
    } else {
      k.copyBlocks(x.ptr, out.ptr + start * bytes, outer, n, bytes, n * bytes, bytes, size * bytes, step * bytes);
    }
  },
);
