import type { Packing, quantize4bit } from "@lowrank/core/backend";
import { dtypeNumber } from "./dtypeNumber.ts";
import { kernel, type WasmKernel } from "./kernel.ts";

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
