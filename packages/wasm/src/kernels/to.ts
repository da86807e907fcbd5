import type { to } from "@lowrank/core/backend";
import { bytesPerElement, dtypes, isPacked } from "@lowrank/core/backend";
import { dtypeNumber } from "./dtypeNumber.ts";
import { kernel, type Scratch, type WasmKernel, type WasmTensor } from "./kernel.ts";
import type { Kernels } from "./kernelTypes.gen.ts";

/**
 * Number of elements of a packed weight that are converted to f32 at a time, before they are rounded to f16 or bf16.
 */
const chunk = 1 << 14;

function unpack(k: Kernels, x: WasmTensor, out: WasmTensor, scratch: Scratch): void {
  const format = dtypeNumber(x);
  if (out.dtype === "f32") {
    k.unpackRow(format, x.ptr, 0, x.size, out.ptr);
    return;
  }
  const wide = scratch(4 * chunk);
  for (let from = 0; from < x.size; from += chunk) {
    const count = Math.min(chunk, x.size - from);
    k.unpackRow(format, x.ptr, from, count, wide);
    k.cast(wide, out.ptr + from * bytesPerElement(out.dtype), count, dtypes.indexOf("f32"), dtypeNumber(out));
  }
}

export const toKernel: WasmKernel = kernel<typeof to>("to", (k, [x], [out], _params, scratch) => {
  if (isPacked(x.dtype)) unpack(k, x, out, scratch);
  else k.cast(x.ptr, out.ptr, x.size, dtypeNumber(x), dtypeNumber(out));
});
