import type { to } from "@lowrank/core/backend";
import { bytesPerElement, type DType, isPacked } from "@lowrank/core/backend";
import { kernel, type Scratch, type WasmKernel, type WasmTensor } from "../kernel.ts";
import type { Kernels } from "../kernelTypes.gen.ts";
import { weightFormat } from "./weightFormat.ts";

/** The order in which the kernel numbers dtypes. */
const dtypes: readonly DType[] = ["f32", "f16", "bf16", "i32", "u8", "bool"];

/** How many elements of a packed weight are widened at a time on their way to another dtype than f32. */
const chunk = 1 << 14;

function unpack(k: Kernels, x: WasmTensor, out: WasmTensor, scratch: Scratch): void {
  const format = weightFormat(x);
  if (out.dtype === "f32") {
    k.unpackRow(format, x.ptr, 0, x.size, out.ptr);
    return;
  }
  const wide = scratch(4 * chunk);
  for (let from = 0; from < x.size; from += chunk) {
    const count = Math.min(chunk, x.size - from);
    k.unpackRow(format, x.ptr, from, count, wide);
    k.cast(wide, out.ptr + from * bytesPerElement(out.dtype), count, 0, dtypes.indexOf(out.dtype));
  }
}

export const toKernel: WasmKernel = kernel<typeof to>("to", (k, [x], [out], _params, scratch) => {
  if (isPacked(x.dtype)) unpack(k, x, out, scratch);
  else k.cast(x.ptr, out.ptr, x.size, dtypes.indexOf(x.dtype), dtypes.indexOf(out.dtype));
});
