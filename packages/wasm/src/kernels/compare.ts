import type { CompareParams, compare } from "@lowrank/core/backend";
import { collapse, forEachPlane } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "./kernel.ts";

/** The number by which the WebAssembly kernels identify each comparison. */
const relations: Record<CompareParams["relation"], number> = { eq: 0, ne: 1, lt: 2, le: 3, gt: 4, ge: 5 };

export const compareKernel: WasmKernel = kernel<typeof compare>("compare", (k, [a, b], [out], { relation }) => {
  const kind = relations[relation];
  const run = a.dtype === "i32" ? k.compareInt : k.compare;
  forEachPlane(collapse(out.shape, [a.shape, b.shape]), (o, [i, j], { rows, length, row, inner }) => {
    run(a.ptr + 4 * i, b.ptr + 4 * j, out.ptr + o, rows, length, row[0], row[1], inner[0], inner[1], kind);
  });
});
