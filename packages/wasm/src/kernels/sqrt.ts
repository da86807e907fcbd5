import type { sqrt } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "./kernel.ts";
import { unary } from "./unary.ts";

export const sqrtKernel: WasmKernel = kernel<typeof sqrt>(
  "sqrt",
  unary((k) => k.sqrt),
);
