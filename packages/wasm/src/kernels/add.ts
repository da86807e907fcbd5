import type { add } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "../kernel.ts";
import { binary } from "./binary.ts";

export const addKernel: WasmKernel = kernel<typeof add>(
  "add",
  binary((k) => k.add),
);
