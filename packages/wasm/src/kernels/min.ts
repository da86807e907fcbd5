import type { min } from "@lowrank/core/backend";
import { extremum } from "./extremum.ts";
import { kernel, type WasmKernel } from "./kernel.ts";

export const minKernel: WasmKernel = kernel<typeof min>("min", extremum("min"));
