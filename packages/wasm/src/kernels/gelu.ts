import type { gelu, geluBackward } from "@lowrank/core/backend";
import { activationBackward } from "./activationBackward.ts";
import { kernel, type WasmKernel } from "./kernel.ts";
import { unary } from "./unary.ts";

export const geluKernel: WasmKernel = kernel<typeof gelu>(
  "gelu",
  unary((k) => k.gelu),
);

export const geluBackwardKernel: WasmKernel = kernel<typeof geluBackward>(
  "geluBackward",
  activationBackward((k) => k.geluBackward),
);
