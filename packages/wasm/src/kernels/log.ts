import type { log } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "./kernel.ts";
import { unary } from "./unary.ts";

export const logKernel: WasmKernel = kernel<typeof log>(
  "log",
  unary((k) => k.log),
);
