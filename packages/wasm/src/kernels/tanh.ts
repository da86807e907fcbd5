import type { tanh } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "./kernel.ts";
import { unary } from "./unary.ts";

export const tanhKernel: WasmKernel = kernel<typeof tanh>(
  "tanh",
  unary((k) => k.tanh),
);
