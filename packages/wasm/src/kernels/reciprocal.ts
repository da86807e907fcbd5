import type { reciprocal } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "./kernel.ts";
import { unary } from "./unary.ts";

export const reciprocalKernel: WasmKernel = kernel<typeof reciprocal>(
  "reciprocal",
  unary((k) => k.reciprocal),
);
