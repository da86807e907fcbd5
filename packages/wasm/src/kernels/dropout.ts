import type { dropoutOp } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "./kernel.ts";

export const dropoutOpKernel: WasmKernel = kernel<typeof dropoutOp>(
  "dropout",
  (k, [x], [out], { p, state: { seed, stream, offset } }) => {
    const [low, high] = stream;
    const threshold = Math.ceil(p * 2 ** 24);
    k.dropout(x.ptr, out.ptr, x.size, offset, seed, Math.floor(seed / 2 ** 32), low, high, threshold, 1 / (1 - p));
  },
);
