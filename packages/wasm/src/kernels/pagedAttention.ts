import type { DataFault, PagedGeometry, pagedAttention } from "@lowrank/core/backend";
import { kernel, type WasmKernel, type WasmTensor } from "./kernel.ts";
import type { InvariantKernels } from "./kernelTypes.gen.ts";

/** Finds the first row whose sequence, position or page is out of range. */
function findFault(
  k: InvariantKernels,
  table: WasmTensor,
  places: WasmTensor,
  g: PagedGeometry,
): DataFault | undefined {
  const { rows, tables, tablePages, pages, pageSize, window } = g;
  const at = k.findBadPage(table.ptr, places.ptr, rows, tables, tablePages, pages, pageSize, window);
  if (at < 0) return undefined;
  const place = places.ptr + 8 * Math.floor(at / (2 + tablePages));
  const entry = at % (2 + tablePages);
  if (entry < 2) return { at, value: k.readI32(place + 4 * entry) };
  return { at, value: k.readI32(table.ptr + 4 * (k.readI32(place) * tablePages + entry - 2)) };
}

export const pagedAttentionKernel: WasmKernel = kernel<typeof pagedAttention, InvariantKernels>(
  "pagedAttention",
  (k, inputs, [out], params, scratch, { plan }) => {
    const [q, keys, values, table, places] = inputs;
    const g = plan(inputs, [out], params);
    const fault = findFault(k, table, places, g);
    if (fault) return fault;
    const { rows, heads, kvHeads, group, size, pageSize, tablePages, scale, window, softcap } = g;
    // biome-ignore format: the kernel's arguments in its own order
    k.pagedAttention(
      q.ptr, keys.ptr, values.ptr, table.ptr, places.ptr, out.ptr, scratch(k.pagedAttentionScratch()), 0, rows * kvHeads,
      heads, group, size, pageSize, tablePages, scale, window, softcap,
    );
    return undefined;
  },
);
