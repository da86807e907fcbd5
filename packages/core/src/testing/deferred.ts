import type { Backend } from "../backend.ts";
import { hostBackend } from "./hostBackend.ts";
import type { Loops } from "./primitiveKernels.ts";

/**
 * A backend that records work and does it in order when something is read, as a GPU does: reads are asynchronous, and an
 * error that depends on data arrives at the next read. It has the reference's kernels.
 */
export function deferred(): Backend {
  return hostBackend({ name: "deferred", deferred: true, loopsOf: ({ ref }) => ref as Loops | undefined });
}
