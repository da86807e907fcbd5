import type { DataFault, gather, scatterAdd } from "@lowrank/core/backend";
import { forEachRow, normalizeDim, stridesOf, traverseIndex } from "@lowrank/core/backend";
import { entryFault } from "./entryFault.ts";
import { kernel, type WasmKernel } from "./kernel.ts";

export const gatherKernel: WasmKernel = kernel<typeof gather>("gather", (k, [x, index], [out], { dim }) => {
  const d = normalizeDim("gather", dim, x.shape.length);
  const stride = stridesOf(x.shape)[d];
  let fault: DataFault | undefined;
  forEachRow(traverseIndex(index.shape, x.shape, d), (o, [i], n, [step]) => {
    const bad = k.gather(x.ptr + 4 * i, index.ptr + 4 * o, out.ptr + 4 * o, n, step, stride, x.shape[d]);
    if (bad >= 0) fault ??= entryFault(k, index, o + bad);
  });
  return fault;
});

export const scatterAddKernel: WasmKernel = kernel<typeof scatterAdd>(
  "scatterAdd",
  (k, [x, index], [out], { dim, shape }) => {
    const d = normalizeDim("scatterAdd", dim, shape.length);
    const stride = stridesOf(shape)[d];
    k.fill(out.ptr, out.size, 0);
    let fault: DataFault | undefined;
    forEachRow(traverseIndex(index.shape, shape, d), (o, [i], n, [step]) => {
      const bad = k.scatterAdd(x.ptr + 4 * o, index.ptr + 4 * o, out.ptr + 4 * i, n, step, stride, shape[d]);
      if (bad >= 0) fault ??= entryFault(k, index, o + bad);
    });
    return fault;
  },
);
