import type { softplus } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "./kernel.ts";
import { unary } from "./unary.ts";

export const softplusKernel: WasmKernel = kernel<typeof softplus>(
  "softplus",
  unary((k) => k.softplus),
);
