import type { WasmKernel } from "./kernel.ts";
import { lowRankRowsKernel } from "./lowRankRows.ts";
import { pagedAttentionKernel } from "./pagedAttention.ts";
import { pagedWriteKernel } from "./pagedWrite.ts";

/**
 * The kernels that join the others where products are batch-invariant: they run many sequences and
 * adapters at once, which is what that mode is for.
 */
export const batchInvariantKernels: readonly WasmKernel[] = [lowRankRowsKernel, pagedAttentionKernel, pagedWriteKernel];
