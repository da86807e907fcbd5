import type { Backend } from "../backend.ts";
import { definedOps, type OpDefinition } from "../op.ts";
import { hostBackend } from "./hostBackend.ts";
import type { Loops } from "./primitiveKernels.ts";

/**
 * A backend that records work and does it in order when something is read, as a GPU does: reads are asynchronous, and an
 * error that depends on data arrives at the next read. It has the reference's kernels.
 */
export function deferred(): Backend {
  // What is no op runs on the host, now: its loops may depend on what changes later.
  const loopsOf = ({ name, ref }: Pick<OpDefinition<never>, "name" | "ref">) =>
    definedOps().has(name) ? (ref as Loops | undefined) : undefined;
  return hostBackend({ name: "deferred", deferred: true, loopsOf });
}
