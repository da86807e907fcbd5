import type { sign } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "./kernel.ts";
import { unary } from "./unary.ts";

export const signKernel: WasmKernel = kernel<typeof sign>(
  "sign",
  unary((k) => k.sign),
);
