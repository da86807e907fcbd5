import type { silu, siluBackward } from "@lowrank/core/backend";
import { activationBackward } from "./activationBackward.ts";
import { kernel, type WasmKernel } from "./kernel.ts";
import { unary } from "./unary.ts";

export const siluKernel: WasmKernel = kernel<typeof silu>(
  "silu",
  unary((k) => k.silu),
);

export const siluBackwardKernel: WasmKernel = kernel<typeof siluBackward>(
  "siluBackward",
  activationBackward((k) => k.siluBackward),
);
