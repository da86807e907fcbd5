import type { pow } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "../kernel.ts";
import { binary } from "./binary.ts";

export const powKernel: WasmKernel = kernel<typeof pow>(
  "pow",
  binary((k) => k.pow),
);
