import type { MemoryUser } from "../../api/adapterProvider.ts";
import { ServingError } from "../../api/api.ts";

interface Held {
  readonly bytes: number;
  leases: number;
}

/**
 * Counts the memory of adapters that running requests use, by tenant. An adapter counts once per tenant, for any number
 * of requests. Adapters that no request uses are not counted, since they can be evicted.
 */
export class HeldMemory {
  readonly #tenants = new Map<string, Map<string, Held>>();

  /** The bytes of adapters that each tenant's running requests use, by tenant. */
  get byTenant(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#tenants.keys()].map((tenant) => [tenant, this.#bytesOf(tenant)]));
  }

  /**
   * Counts an adapter as used by a tenant until the returned function is called. Throws ServingError `queue_full` if
   * the tenant's requests would then use more than `adapterMemory` bytes. Throws `adapter_refused` if the adapter alone
   * exceeds this limit.
   */
  hold({ tenant, adapterMemory = Number.POSITIVE_INFINITY }: MemoryUser, version: string, bytes: number): () => void {
    const held = this.#tenants.get(tenant) ?? new Map<string, Held>();
    const known = held.get(version);
    if (!known) this.#check(tenant, adapterMemory, bytes);
    const entry = known ?? { bytes, leases: 0 };
    entry.leases += 1;
    held.set(version, entry);
    this.#tenants.set(tenant, held);
    let released = false;
    return () => {
      if (released) return;
      released = true;
      entry.leases -= 1;
      if (entry.leases > 0) return;
      held.delete(version);
      if (held.size === 0) this.#tenants.delete(tenant);
    };
  }

  #check(tenant: string, limit: number, bytes: number): void {
    const used = this.#bytesOf(tenant);
    if (used + bytes <= limit) return;
    if (bytes > limit) {
      throw new ServingError(
        "adapter_refused",
        `the adapter takes ${bytes} bytes, and this key may use ${limit}; train a lower rank, or let the server's operator raise the budget adapter-memory`,
        "model",
      );
    }
    throw new ServingError(
      "queue_full",
      `The running requests of this key use adapters of ${used} bytes, and this one takes ${bytes} of its ${limit}. Try again later.`,
      "model",
      1,
    );
  }

  #bytesOf(tenant: string): number {
    const held = this.#tenants.get(tenant);
    return held ? [...held.values()].reduce((sum, { bytes }) => sum + bytes, 0) : 0;
  }
}
