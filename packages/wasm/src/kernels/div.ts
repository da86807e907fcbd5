import type { div } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "../kernel.ts";
import { binary } from "./binary.ts";

export const divKernel: WasmKernel = kernel<typeof div>(
  "div",
  binary((k) => k.div),
);
