import type { pagedWrite } from "@lowrank/core/backend";
import { bytesPerElement } from "@lowrank/core/backend";
import { entryFault } from "./entryFault.ts";
import { kernel, type WasmKernel } from "./kernel.ts";
import { lowRankRowsKernel } from "./lowRankRows.ts";
import { pagedAttentionKernel } from "./pagedAttention.ts";

const pagedWriteKernel: WasmKernel = kernel<typeof pagedWrite>("pagedWrite", (k, [pool, rows, slots]) => {
  const fault = entryFault(k, slots, k.findBadId(slots.ptr, slots.size, pool.shape[0] * pool.shape[1]));
  if (fault || slots.size === 0) return fault;
  const bytes = bytesPerElement(rows.dtype) * (rows.size / slots.size);
  k.copyRows(rows.ptr, slots.ptr, pool.ptr, slots.size, bytes, 1);
  return undefined;
});

/**
 * Additional kernels of batch-invariant builds. They process many sequences and adapters at once, which is the purpose
 * of that mode.
 */
export const batchInvariantKernels: readonly WasmKernel[] = [lowRankRowsKernel, pagedAttentionKernel, pagedWriteKernel];
