import type { abs } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "./kernel.ts";
import { unary } from "./unary.ts";

export const absKernel: WasmKernel = kernel<typeof abs>(
  "abs",
  unary((k) => k.abs),
);
