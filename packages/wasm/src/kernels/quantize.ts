import type { dequantizeBlockwise, Packing, quantize4bit, quantizeBlockwise } from "@lowrank/core/backend";
import { dtypeNumber, kernel, type WasmKernel } from "./kernel.ts";

export const quantize4bitKernel: WasmKernel = kernel<typeof quantize4bit>(
  "quantize4bit",
  (k, [x], [out], params, scratch, { plan }) => {
    const packing = out.packing as Packing;
    const { absmax, nested, blocks } = plan([x], [out], params);
    const scales = nested ? scratch(4 * blocks) : out.ptr + absmax;
    const room = scratch(4 * packing.blockSize + 512);
    // biome-ignore format: the kernel's arguments in its own order
    const broken = k.quantize4bit(
      x.ptr, dtypeNumber(x), x.size, out.ptr, dtypeNumber(out), packing.blockSize, absmax, nested, scales, room,
    );
    if (broken >= 0) return { at: broken, value: Number.NaN };
    const offset = nested ? k.nestScales(out.ptr, scales, blocks, room) : 0;
    return Number.isFinite(offset) ? undefined : { at: -1, value: offset };
  },
);

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
