import type { erf } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "./kernel.ts";
import { unary } from "./unary.ts";

export const erfKernel: WasmKernel = kernel<typeof erf>(
  "erf",
  unary((k) => k.erf),
);
