import type { cacheWrite } from "@lowrank/core/backend";
import { bytesPerElement, forEachSequence } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "./kernel.ts";

export const cacheWriteKernel: WasmKernel = kernel<typeof cacheWrite>(
  "cacheWrite",
  (k, [cache, rows], _outputs, params) => {
    const bytes = bytesPerElement(cache.dtype);
    forEachSequence(cache, rows, params, (to, from, n) => {
      k.copyBlocks(rows.ptr + bytes * from, cache.ptr + bytes * to, 1, 1, bytes * n, 0, 0, 0, 0);
    });
  },
);
