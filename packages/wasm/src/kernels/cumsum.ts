import type { cumsum } from "@lowrank/core/backend";
import { alongDim } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "./kernel.ts";

export const cumsumKernel: WasmKernel = kernel<typeof cumsum>("cumsum", (k, [x], [out], { dim }, scratch) => {
  const { outer, n, inner } = alongDim("cumsum", x.shape, dim);
  k.cumsum(x.ptr, out.ptr, scratch(8 * inner), outer, n, inner);
});
