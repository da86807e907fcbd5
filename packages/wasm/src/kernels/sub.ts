import type { sub } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "../kernel.ts";
import { binary } from "./binary.ts";

export const subKernel: WasmKernel = kernel<typeof sub>(
  "sub",
  binary((k) => k.sub),
);
