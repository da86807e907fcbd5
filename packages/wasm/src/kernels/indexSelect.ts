import type { indexAdd, indexSelect } from "@lowrank/core/backend";
import { alongDim, bytesPerElement } from "@lowrank/core/backend";
import { entryFault } from "./entryFault.ts";
import { kernel, type WasmKernel } from "./kernel.ts";

export const indexSelectKernel: WasmKernel = kernel<typeof indexSelect>(
  "indexSelect",
  (k, [x, index], [out], { dim }) => {
    const { outer, n, inner } = alongDim("indexSelect", x.shape, dim);
    const bytes = inner * bytesPerElement(x.dtype);
    return entryFault(k, index, k.indexSelect(x.ptr, index.ptr, out.ptr, outer, n, index.size, bytes));
  },
);

export const indexAddKernel: WasmKernel = kernel<typeof indexAdd>("indexAdd", (k, [x, index], [out], { dim, size }) => {
  const { outer, n, inner } = alongDim("indexAdd", x.shape, dim);
  k.fill(out.ptr, out.size, 0);
  return entryFault(k, index, k.indexAdd(x.ptr, index.ptr, out.ptr, outer, size, n, inner));
});
