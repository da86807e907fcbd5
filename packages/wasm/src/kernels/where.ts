import type { where } from "@lowrank/core/backend";
import { collapse, forEachPlane } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "./kernel.ts";

export const whereKernel: WasmKernel = kernel<typeof where>("where", (k, [condition, a, b], [out]) => {
  const traversal = collapse(out.shape, [condition.shape, a.shape, b.shape]);
  forEachPlane(traversal, (o, [c, i, j], { rows, length, row, inner }) => {
    const [cp, ap, bp, op] = [condition.ptr + c, a.ptr + 4 * i, b.ptr + 4 * j, out.ptr + 4 * o];
    k.where(cp, ap, bp, op, rows, length, row[0], row[1], row[2], inner[0], inner[1], inner[2]);
  });
});
