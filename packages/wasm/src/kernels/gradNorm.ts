import type { clipToNorm, gradNorm } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "./kernel.ts";
import { writeSegments } from "./writeSegments.ts";

export const gradNormKernel: WasmKernel = kernel<typeof gradNorm>("gradNorm", (k, inputs, [out], _params, scratch) => {
  const { table, blocks } = writeSegments(k, inputs, 1, scratch);
  const sums = scratch(8 * blocks);
  k.sumSquares(table, 0, blocks, sums);
  k.rootOfSum(sums, blocks, out.ptr);
});

export const clipToNormKernel: WasmKernel = kernel<typeof clipToNorm>(
  "clipToNorm",
  (k, inputs, _outputs, { maxNorm }, scratch) => {
    const { table, blocks } = writeSegments(k, inputs.slice(0, -1), 1, scratch);
    k.clipToNorm(table, 0, blocks, inputs[inputs.length - 1].ptr, maxNorm);
  },
);
