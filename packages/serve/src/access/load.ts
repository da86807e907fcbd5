import type { Caller } from "../api/caller.ts";

/** Counts running requests by tenant. */
export class Load {
  readonly #byTenant = new Map<string, number>();

  /** Adds `by` to a tenant's count; negative to subtract. */
  change(tenant: string, by: number): void {
    const count = (this.#byTenant.get(tenant) ?? 0) + by;
    if (count > 0) this.#byTenant.set(tenant, count);
    else this.#byTenant.delete(tenant);
  }

  /** Returns the number of running requests that a caller may see: its tenant's, or all for an operator. */
  seenBy({ operator, tenant }: Caller): number {
    if (!operator) return this.#byTenant.get(tenant) ?? 0;
    return [...this.#byTenant.values()].reduce((sum, count) => sum + count, 0);
  }
}
