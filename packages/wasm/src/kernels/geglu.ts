import type { geglu, gegluBackward } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "./kernel.ts";

export const gegluKernel: WasmKernel = kernel<typeof geglu>("geglu", (k, [gate, up], [out], { approximate }) => {
  k.geglu(gate.ptr, up.ptr, out.ptr, out.size, approximate === "tanh" ? 1 : 0);
});

export const gegluBackwardKernel: WasmKernel = kernel<typeof gegluBackward>(
  "gegluBackward",
  (k, [dy, gate, up], [dgate, dup], { approximate }) => {
    k.gegluBackward(dy.ptr, gate.ptr, up.ptr, dgate.ptr, dup.ptr, dy.size, approximate === "tanh" ? 1 : 0);
  },
);
