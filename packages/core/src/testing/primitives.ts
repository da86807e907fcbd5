import type { Backend } from "../backends/backend.ts";
import { hostBackend } from "./hostBackend.ts";
import { primitiveLoops } from "./primitiveKernels.ts";

/**
 * Returns a backend for tests that has kernels only for `primitiveNames`; all other ops run as compositions of these.
 * It shows the least that a new backend must implement, and it tests the compositions.
 */
export function primitives(): Backend {
  return hostBackend({ name: "primitives", deferred: false, loopsOf: primitiveLoops });
}
