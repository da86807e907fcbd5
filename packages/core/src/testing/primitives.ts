import type { Backend } from "../backends/backend.ts";
import { hostBackend } from "./hostBackend.ts";
import { primitiveLoops } from "./primitiveKernels.ts";

/**
 * Returns a backend with kernels only for `primitiveNames`, so that every other op runs as its composition. It shows
 * the minimum that a new backend needs, and tests compositions.
 */
export function primitives(): Backend {
  return hostBackend({ name: "primitives", deferred: false, loopsOf: primitiveLoops });
}
