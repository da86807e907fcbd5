import type { Backend } from "@lowrank/core";

/** A backend with a gate, which is open at first. */
export interface GatedBackend {
  readonly backend: Backend;
  open(): void;
  close(): void;
}

/** Returns a backend whose reads wait while its gate is closed. An engine on it stops after its current pass. */
export function gatedBackend(inner: Backend): GatedBackend {
  let gate = Promise.withResolvers<void>();
  gate.resolve();
  const read: Backend["read"] = async (...range) => {
    await gate.promise;
    return inner.read(...range);
  };
  return {
    backend: Object.create(inner, { read: { value: read } }),
    open: () => gate.resolve(),
    close: () => {
      gate = Promise.withResolvers<void>();
    },
  };
}
