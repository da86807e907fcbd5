import type { Backend } from "../backends/backend.ts";
import { hostBackend } from "./hostBackend.ts";
import { primitiveLoops } from "./primitiveKernels.ts";

/**
 * A backend with kernels for `primitiveNames` alone, so that every other op runs as its
 * composition. It shows what a backend needs to begin with, and tests compositions.
 */
export function primitives(): Backend {
  return hostBackend({ name: "primitives", deferred: false, loopsOf: primitiveLoops });
}
