import type { pow } from "@lowrank/core/backend";
import { binary } from "./binary.ts";
import { kernel, type WasmKernel } from "./kernel.ts";

export const powKernel: WasmKernel = kernel<typeof pow>(
  "pow",
  binary((k) => k.pow),
);
