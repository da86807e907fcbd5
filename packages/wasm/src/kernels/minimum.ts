import type { minimum } from "@lowrank/core/backend";
import { binary } from "./binary.ts";
import { kernel, type WasmKernel } from "./kernel.ts";

export const minimumKernel: WasmKernel = kernel<typeof minimum>(
  "minimum",
  binary((k) => k.minimum),
);
