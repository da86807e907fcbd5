import type { max } from "@lowrank/core/backend";
import { extremum } from "./extremum.ts";
import { kernel, type WasmKernel } from "./kernel.ts";

export const maxKernel: WasmKernel = kernel<typeof max>("max", extremum("max"));
