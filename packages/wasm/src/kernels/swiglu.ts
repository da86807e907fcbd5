import type { swiglu, swigluBackward } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "./kernel.ts";

export const swigluKernel: WasmKernel = kernel<typeof swiglu>("swiglu", (k, [gate, up], [out]) =>
  k.swiglu(gate.ptr, up.ptr, out.ptr, out.size),
);

export const swigluBackwardKernel: WasmKernel = kernel<typeof swigluBackward>(
  "swigluBackward",
  (k, [dy, gate, up], [dgate, dup]) => {
    k.swigluBackward(dy.ptr, gate.ptr, up.ptr, dgate.ptr, dup.ptr, dy.size);
  },
);
