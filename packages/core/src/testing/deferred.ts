import type { Backend } from "../backends/backend.ts";
import { definedOps, type OpDefinition } from "../engine/op.ts";
import { hostBackend } from "./hostBackend.ts";
import type { Loops } from "./primitiveKernels.ts";

/**
 * Returns a backend that records work and runs it in order at the next read, as a GPU does. Reads are asynchronous, and
 * an error that depends on data is thrown at the next read. It has the reference's kernels.
 */
export function deferred(): Backend {
  // Loops that are not an op (a write by a function) run at once, because they may read values that change later.
  const loopsOf = ({ name, ref }: Pick<OpDefinition<never>, "name" | "ref">) =>
    definedOps().has(name) ? (ref as Loops | undefined) : undefined;
  return hostBackend({ name: "deferred", deferred: true, loopsOf });
}
