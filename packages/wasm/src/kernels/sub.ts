import type { sub } from "@lowrank/core/backend";
import { binary } from "./binary.ts";
import { kernel, type WasmKernel } from "./kernel.ts";

export const subKernel: WasmKernel = kernel<typeof sub>(
  "sub",
  binary((k) => k.sub),
);
