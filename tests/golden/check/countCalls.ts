import type { Backend } from "@lowrank/core";

/** Counts of op calls by their runner: kernel, loop or composition. Each is keyed by the op's name. */
export interface CallCounts {
  /** All calls that the backend ran, by its kernels or by the reference's loops. */
  readonly run: Map<string, number>;
  /** The calls among them that ran the reference's loops on the host. */
  readonly loops: Map<string, number>;
  /** Calls of ops that the backend does not support. The calls of their compositions are among the others. */
  readonly composed: Map<string, number>;
}

/** Returns the backend, and counts of all later calls on it. */
export function countCalls(backend: Backend): { backend: Backend; counts: CallCounts } {
  const counts: CallCounts = { run: new Map(), loops: new Map(), composed: new Map() };
  const note = (kind: keyof CallCounts, op: string) => void counts[kind].set(op, (counts[kind].get(op) ?? 0) + 1);
  const counted: Pick<Backend, "supports" | "run"> = {
    supports: (op, inputs, params) => {
      const supported = backend.supports(op, inputs, params);
      if (!supported && op.compose) note("composed", op.name);
      return supported;
    },
    run: (op, inputs, outputs, params) => {
      const { name, ref } = op;
      note("run", name);
      const loops: typeof ref = (...given) => {
        note("loops", name);
        ref?.(...given);
      };
      backend.run(ref ? { ...op, ref: loops } : op, inputs, outputs, params);
    },
  };
  return { backend: Object.assign(Object.create(backend), counted), counts };
}

const sum = (calls: ReadonlyMap<string, number>): number => [...calls.values()].reduce((a, b) => a + b, 0);

/** Returns the number of calls of any backend that ran on the host. */
export function callsOnHost({ loops }: CallCounts): number {
  return sum(loops);
}

/**
 * Returns a line with the number of calls of each kind, and with the number of their ops or, if few, the ops' names.
 */
export function describeCalls({ run, loops, composed }: CallCounts): string {
  const part = (calls: ReadonlyMap<string, number>, what: string) => {
    const names = [...calls.keys()].sort();
    const which = names.length > 12 ? `${names.length} ops` : names.join(", ");
    return `${sum(calls)} ${what}${names.length > 0 ? ` (${which})` : ""}`;
  };
  const kernels = new Map([...run].map(([name, count]) => [name, count - (loops.get(name) ?? 0)] as const));
  const own = new Map([...kernels].filter(([, count]) => count > 0));
  return [
    part(own, "by kernels"),
    part(loops, "on the host, by the reference's loops"),
    part(composed, "composed"),
  ].join("; ");
}
