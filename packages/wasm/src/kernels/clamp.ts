import type { clamp } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "./kernel.ts";

export const clampKernel: WasmKernel = kernel<typeof clamp>(
  "clamp",
  (k, [x], [out], { min = -Infinity, max = Infinity }) => k.clamp(x.ptr, out.ptr, out.size, min, max),
);
