import type { addInto, copyInto, scaleInPlace } from "@lowrank/core/backend";
import { bytesPerElement } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "./kernel.ts";

export const copyIntoKernel: WasmKernel = kernel<typeof copyInto>("copyInto", (k, [x, source]) => {
  k.copyBlocks(source.ptr, x.ptr, 1, 1, x.size * bytesPerElement(x.dtype), 0, 0, 0, 0);
});

export const addIntoKernel: WasmKernel = kernel<typeof addInto>("addInto", (k, [x, y], _outputs, { alpha = 1 }) =>
  k.axpy(x.ptr, y.ptr, x.size, alpha),
);

export const scaleInPlaceKernel: WasmKernel = kernel<typeof scaleInPlace>(
  "scaleInPlace",
  (k, [x], _outputs, { factor }) => k.scaleInPlace(x.ptr, x.size, factor),
);
