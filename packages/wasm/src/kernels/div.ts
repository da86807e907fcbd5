import type { div } from "@lowrank/core/backend";
import { binary } from "./binary.ts";
import { kernel, type WasmKernel } from "./kernel.ts";

export const divKernel: WasmKernel = kernel<typeof div>(
  "div",
  binary((k) => k.div),
);
