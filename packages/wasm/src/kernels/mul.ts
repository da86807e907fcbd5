import type { mul } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "../kernel.ts";
import { binary } from "./binary.ts";

export const mulKernel: WasmKernel = kernel<typeof mul>(
  "mul",
  binary((k) => k.mul),
);
