import type { cat, split } from "@lowrank/core/backend";
import { alongDim, bytesPerElement } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "./kernel.ts";

export const catKernel: WasmKernel = kernel<typeof cat>("cat", (k, inputs, [out], { dim }) => {
  const { dim: d, outer, n, inner } = alongDim("cat", out.shape, dim);
  const bytes = inner * bytesPerElement(out.dtype);
  let to = out.ptr;
  for (const x of inputs) {
    const run = x.shape[d] * bytes;
    k.copyBlocks(x.ptr, to, outer, 1, run, run, 0, n * bytes, 0);
    to += run;
  }
});

export const splitKernel: WasmKernel = kernel<typeof split>("split", (k, [x], outputs, { sizes, dim }) => {
  const { outer, n, inner } = alongDim("split", x.shape, dim);
  const bytes = inner * bytesPerElement(x.dtype);
  let from = x.ptr;
  for (const [i, out] of outputs.entries()) {
    const run = sizes[i] * bytes;
    k.copyBlocks(from, out.ptr, outer, 1, run, n * bytes, 0, run, 0);
    from += run;
  }
});
