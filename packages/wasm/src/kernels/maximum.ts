import type { maximum } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "../kernel.ts";
import { binary } from "./binary.ts";

export const maximumKernel: WasmKernel = kernel<typeof maximum>(
  "maximum",
  binary((k) => k.maximum),
);
