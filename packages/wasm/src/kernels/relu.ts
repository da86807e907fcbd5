import type { relu } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "./kernel.ts";
import { unary } from "./unary.ts";

export const reluKernel: WasmKernel = kernel<typeof relu>(
  "relu",
  unary((k) => k.relu),
);
