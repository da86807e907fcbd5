import type { max } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "../kernel.ts";
import { extremum } from "./extremum.ts";

export const maxKernel: WasmKernel = kernel<typeof max>("max", extremum("max"));
