import type { expand, sumToShape } from "@lowrank/core/backend";
import { collapse, forEachPlane } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "./kernel.ts";

export const expandKernel: WasmKernel = kernel<typeof expand>("expand", (k, [x], [out]) => {
  forEachPlane(collapse(out.shape, [x.shape]), (o, [i], { rows, length, row, inner }) => {
    k.expand(x.ptr + 4 * i, out.ptr + 4 * o, rows, length, row[0], inner[0]);
  });
});

export const sumToShapeKernel: WasmKernel = kernel<typeof sumToShape>(
  "sumToShape",
  (k, [x], [out], _params, scratch) => {
    const sums = scratch(8 * out.size);
    k.fill(sums, 2 * out.size, 0);
    forEachPlane(collapse(x.shape, [out.shape]), (i, [o], { rows, length, row, inner }) => {
      k.sumPlane(x.ptr + 4 * i, sums + 8 * o, rows, length, length, row[0], inner[0]);
    });
    k.narrow(sums, out.ptr, out.size);
  },
);
