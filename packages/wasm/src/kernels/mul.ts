import type { mul } from "@lowrank/core/backend";
import { binary } from "./binary.ts";
import { kernel, type WasmKernel } from "./kernel.ts";

export const mulKernel: WasmKernel = kernel<typeof mul>(
  "mul",
  binary((k) => k.mul),
);
