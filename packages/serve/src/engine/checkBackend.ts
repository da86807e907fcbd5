import type { Backend } from "@lowrank/core";

/** Throws for a backend on which a request's numbers would depend on the requests beside it. */
export function checkBackend(maker: string, backend: Backend): void {
  if (backend.batchInvariant) return;
  throw new Error(
    `${maker}: the backend "${backend.name}" is not batch-invariant, so that a request's numbers would depend on its neighbours; start it with batchInvariant, as in wasm({ batchInvariant: true })`,
  );
}
