import {
  type addInto,
  bytesPerElement,
  type cacheWrite,
  type copyInto,
  forEachSequence,
  type scaleInPlace,
} from "@lowrank/core/backend";
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

export const cacheWriteKernel: WasmKernel = kernel<typeof cacheWrite>(
  "cacheWrite",
  (k, [cache, rows], _outputs, params) => {
    const bytes = bytesPerElement(cache.dtype);
    forEachSequence(cache, rows, params, (to, from, n) => {
      k.copyBlocks(rows.ptr + bytes * from, cache.ptr + bytes * to, 1, 1, bytes * n, 0, 0, 0, 0);
    });
  },
);
