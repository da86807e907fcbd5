import type { minimum } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "../kernel.ts";
import { binary } from "./binary.ts";

export const minimumKernel: WasmKernel = kernel<typeof minimum>(
  "minimum",
  binary((k) => k.minimum),
);
