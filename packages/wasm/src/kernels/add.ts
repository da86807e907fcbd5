import type { add } from "@lowrank/core/backend";
import { binary } from "./binary.ts";
import { kernel, type WasmKernel } from "./kernel.ts";

export const addKernel: WasmKernel = kernel<typeof add>(
  "add",
  binary((k) => k.add),
);
