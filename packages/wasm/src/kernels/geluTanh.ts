import type { geluTanh, geluTanhBackward } from "@lowrank/core/backend";
import { activationBackward } from "./activationBackward.ts";
import { kernel, type WasmKernel } from "./kernel.ts";
import { unary } from "./unary.ts";

export const geluTanhKernel: WasmKernel = kernel<typeof geluTanh>(
  "geluTanh",
  unary((k) => k.geluTanh),
);

export const geluTanhBackwardKernel: WasmKernel = kernel<typeof geluTanhBackward>(
  "geluTanhBackward",
  activationBackward((k) => k.geluTanhBackward),
);
