import type { Backend } from "@lowrank/core";

/**
 * Throws for a backend that is not batch-invariant, on which a request's results would depend on other requests in the
 * pass.
 */
export function checkBackend(maker: string, backend: Backend): void {
  if (backend.batchInvariant) return;
  throw new Error(
    `${maker}: the backend "${backend.name}" is not batch-invariant, so that a request's results would depend on its batch; start it with batchInvariant, as in wasm({ batchInvariant: true })`,
  );
}
