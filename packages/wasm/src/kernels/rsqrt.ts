import type { rsqrt } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "./kernel.ts";
import { unary } from "./unary.ts";

export const rsqrtKernel: WasmKernel = kernel<typeof rsqrt>(
  "rsqrt",
  unary((k) => k.rsqrt),
);
