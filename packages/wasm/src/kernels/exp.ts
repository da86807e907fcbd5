import type { exp } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "./kernel.ts";
import { unary } from "./unary.ts";

export const expKernel: WasmKernel = kernel<typeof exp>(
  "exp",
  unary((k) => k.exp),
);
