import type { min } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "../kernel.ts";
import { extremum } from "./extremum.ts";

export const minKernel: WasmKernel = kernel<typeof min>("min", extremum("min"));
