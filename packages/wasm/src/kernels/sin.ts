import type { cos, sin } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "./kernel.ts";
import { unary } from "./unary.ts";

export const sinKernel: WasmKernel = kernel<typeof sin>(
  "sin",
  unary((k) => k.sin),
);

export const cosKernel: WasmKernel = kernel<typeof cos>(
  "cos",
  unary((k) => k.cos),
);
