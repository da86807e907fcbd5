import type { sigmoid } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "./kernel.ts";
import { unary } from "./unary.ts";

export const sigmoidKernel: WasmKernel = kernel<typeof sigmoid>(
  "sigmoid",
  unary((k) => k.sigmoid),
);
