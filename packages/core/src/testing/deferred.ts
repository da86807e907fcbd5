import type { Backend } from "../backends/backend.ts";
import { definedOps, type OpDefinition } from "../engine/op.ts";
import { hostBackend } from "./hostBackend.ts";
import type { Loops } from "./primitiveKernels.ts";

/**
 * Returns a backend for tests that works like a GPU: it only records work, and runs it in order at the next read, which
 * is asynchronous and throws errors that depend on data. It runs each op by the reference loops.
 */
export function deferred(): Backend {
  // Loops that are not an op (a write by a function) run at once, because they may read values that change later.
  const loopsOf = ({ name, ref }: Pick<OpDefinition<never>, "name" | "ref">) =>
    definedOps().has(name) ? (ref as Loops | undefined) : undefined;
  return hostBackend({ name: "deferred", deferred: true, loopsOf });
}
