import type { dequantizeBlockwise, quantizeBlockwise } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "./kernel.ts";

export const quantizeBlockwiseKernel: WasmKernel = kernel<typeof quantizeBlockwise>(
  "quantizeBlockwise",
  (k, [x, code], [q, absmax], { blockSize }) => {
    const broken = k.quantizeBlockwise(x.ptr, x.size, blockSize, code.ptr, q.ptr, absmax.ptr);
    return broken >= 0 ? { at: broken, value: Number.NaN } : undefined;
  },
);

export const dequantizeBlockwiseKernel: WasmKernel = kernel<typeof dequantizeBlockwise>(
  "dequantizeBlockwise",
  (k, [q, absmax, code], [out], { blockSize }) => {
    k.dequantizeBlockwise(q.ptr, q.size, blockSize, code.ptr, absmax.ptr, out.ptr);
  },
);
