import {
  bytesPerElement,
  type DataFault,
  type PagedGeometry,
  type pagedAttention,
  type pagedWrite,
} from "@lowrank/core/backend";
import { entryFault } from "./indexing.ts";
import { kernel, type WasmKernel, type WasmTensor } from "./kernel.ts";
import type { InvariantKernels } from "./kernelTypes.gen.ts";
import { lowRankRowsKernel } from "./lowRankRows.ts";

/**
 * Returns a fault for the first row (token) whose sequence, position or page is out of range; undefined if there is
 * none.
 */
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

const pagedAttentionKernel: WasmKernel = kernel<typeof pagedAttention, InvariantKernels>(
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

const pagedWriteKernel: WasmKernel = kernel<typeof pagedWrite>("pagedWrite", (k, [pool, rows, slots]) => {
  const fault = entryFault(k, slots, k.findBadId(slots.ptr, slots.size, pool.shape[0] * pool.shape[1]));
  if (fault || slots.size === 0) return fault;
  const bytes = bytesPerElement(rows.dtype) * (rows.size / slots.size);
  k.copyRows(rows.ptr, slots.ptr, pool.ptr, slots.size, bytes, 1);
  return undefined;
});

/**
 * Additional kernels of batch-invariant builds. Each call processes many sequences or adapters together;
 * batch-invariant mode exists for such batches.
 */
export const batchInvariantKernels: readonly WasmKernel[] = [lowRankRowsKernel, pagedAttentionKernel, pagedWriteKernel];
