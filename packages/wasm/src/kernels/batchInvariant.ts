import type { WasmKernel } from "./kernel.ts";
import { lowRankRowsKernel } from "./lowRankRows.ts";
import { pagedAttentionKernel } from "./pagedAttention.ts";
import { pagedWriteKernel } from "./pagedWrite.ts";

/**
 * Additional kernels of batch-invariant builds. They process many sequences and adapters at once, which is the purpose
 * of that mode.
 */
export const batchInvariantKernels: readonly WasmKernel[] = [lowRankRowsKernel, pagedAttentionKernel, pagedWriteKernel];
