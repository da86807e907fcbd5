import type { Backend } from "../backends/backend.ts";
import { definedOps, type OpDefinition } from "../engine/op.ts";
import { hostBackend } from "./hostBackend.ts";
import type { Loops } from "./primitiveKernels.ts";

/**
 * A backend that records work and does it in order when something is read, as a GPU does:
 * reads are asynchronous, and an error that depends on data arrives at the next read. It has
 * the reference's kernels.
 */
export function deferred(): Backend {
  // Loops of no op (a write by a function) run at once: they may read values that change later.
  const loopsOf = ({ name, ref }: Pick<OpDefinition<never>, "name" | "ref">) =>
    definedOps().has(name) ? (ref as Loops | undefined) : undefined;
  return hostBackend({ name: "deferred", deferred: true, loopsOf });
}
