import type { square } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "./kernel.ts";
import { unary } from "./unary.ts";

export const squareKernel: WasmKernel = kernel<typeof square>(
  "square",
  unary((k) => k.square),
);
