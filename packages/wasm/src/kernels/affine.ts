import type { affine } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "./kernel.ts";

export const affineKernel: WasmKernel = kernel<typeof affine>("affine", (k, [x], [out], { scale = 1, shift = 0 }) =>
  k.affine(x.ptr, out.ptr, out.size, scale, shift),
);
