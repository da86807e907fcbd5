import type { maximum } from "@lowrank/core/backend";
import { binary } from "./binary.ts";
import { kernel, type WasmKernel } from "./kernel.ts";

export const maximumKernel: WasmKernel = kernel<typeof maximum>(
  "maximum",
  binary((k) => k.maximum),
);
