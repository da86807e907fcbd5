/** Request that waits in the queue or runs. */
export interface Queued {
  readonly tenant: string;
  readonly adapter: string | null;
  /** Priority among the tenant's requests: the lowest value is taken first. Default 0. */
  readonly priority?: number;
}

/** Credit of one tenant, or of one adapter of a tenant. */
interface Share {
  /**
   * Number of tokens that the tenant or adapter may still use before others take their turns. If it is 0 or less, its
   * requests are skipped until later rounds make it positive again.
   */
  credit: number;
  /** Number of waiting and running requests of the tenant or adapter. */
  requests: number;
}

interface AdapterShare<T> extends Share {
  readonly waiting: T[];
}

interface TenantShare<T> extends Share {
  readonly adapters: Map<string, AdapterShare<T>>;
}

/**
 * Tokens per turn of a tenant (`tenantTurn`) and of one of a tenant's adapters (`adapterTurn`). An adapter's turn lasts
 * for several requests, so that they run in the same passes. Passes then use fewer adapters and read fewer weights, and
 * requests of popular adapters wait less.
 */
const [tenantTurn, adapterTurn] = [256, 1024];

/**
 * Queue of waiting requests, served by deficit round robin (Shreedhar and Varghese 1996). Tenants take turns, and
 * within a tenant's turns, the tenant's adapters take turns. The length of a turn is measured in served tokens.
 * Requests of one adapter are served in order of arrival. Every tenant and adapter gets its turn, so no request waits
 * forever. A tenant's requests with the lowest `priority` value are taken first; this does not affect other tenants.
 */
export class FairQueue<T extends Queued> {
  readonly #tenants = new Map<string, TenantShare<T>>();
  /** For each waiting or running request, the credits (`Share`) of its tenant and of its adapter. */
  readonly #shares = new Map<T, { readonly tenant: TenantShare<T>; readonly adapter: AdapterShare<T> }>();
  #size = 0;

  /** Number of requests that wait in the queue. */
  get size(): number {
    return this.#size;
  }

  /**
   * Adds a request to its adapter's queue, after the waiting requests whose `priority` value is not higher. Call
   * `leave` when the request ends.
   */
  push(request: T): void {
    let tenant = this.#tenants.get(request.tenant);
    if (!tenant) {
      tenant = { credit: 0, requests: 0, adapters: new Map() };
      this.#tenants.set(request.tenant, tenant);
    }
    const key = keyOf(request);
    let adapter = tenant.adapters.get(key);
    if (!adapter) {
      adapter = { credit: 0, requests: 0, waiting: [] };
      tenant.adapters.set(key, adapter);
    }
    this.#shares.set(request, { tenant, adapter });
    const behind = adapter.waiting.findLastIndex((other) => priorityOf(other) <= priorityOf(request));
    adapter.waiting.splice(behind + 1, 0, request);
    adapter.requests += 1;
    tenant.requests += 1;
    this.#size += 1;
  }

  /** Removes and returns the next request for which `may` returns true; null if there is none. */
  take(may: (request: T) => boolean): T | null {
    const next = (adapter: AdapterShare<T>) => adapter.waiting.length > 0 && may(adapter.waiting[0]);
    const tenant = turnOf(this.#tenants, tenantTurn, ({ adapters }) => [...adapters.values()].some(next));
    if (!tenant) return null;
    const able = [...tenant.adapters.values()].filter(next);
    const first = Math.min(...able.map(({ waiting }) => priorityOf(waiting[0])));
    const isFirst = (adapter: AdapterShare<T>) => next(adapter) && priorityOf(adapter.waiting[0]) === first;
    const adapter = turnOf(tenant.adapters, adapterTurn, isFirst);
    if (!adapter) return null;
    this.#size -= 1;
    return adapter.waiting.shift()!;
  }

  /**
   * Subtracts tokens of a request from the credit of its tenant and of its adapter. Does nothing for a request that has
   * ended.
   */
  charge(request: T, tokens: number): void {
    const shares = this.#shares.get(request);
    if (!shares) return;
    shares.tenant.credit -= tokens;
    shares.adapter.credit -= tokens;
  }

  /**
   * Ends a waiting or running request. If its tenant or adapter has no other requests, removes the tenant's or
   * adapter's credit.
   */
  leave(request: T): void {
    const shares = this.#shares.get(request);
    if (!shares) return;
    this.#shares.delete(request);
    const { tenant, adapter } = shares;
    const at = adapter.waiting.indexOf(request);
    if (at >= 0) {
      adapter.waiting.splice(at, 1);
      this.#size -= 1;
    }
    adapter.requests -= 1;
    tenant.requests -= 1;
    if (adapter.requests === 0) tenant.adapters.delete(keyOf(request));
    if (tenant.requests === 0) this.#tenants.delete(request.tenant);
  }
}

function priorityOf({ priority = 0 }: Queued): number {
  return priority;
}

/**
 * Returns the key of a request's adapter in the map of its tenant's adapters: "/" and the adapter's name, or "" for the
 * base model.
 */
function keyOf({ adapter }: Pick<Queued, "adapter">): string {
  return adapter === null ? "" : `/${adapter}`;
}

/**
 * Chooses among the tenants or adapters in `ring` for which `may` returns true. Returns the first with positive credit;
 * null if `may` returns true for none. If none has positive credit, first gives each of them the credit of the same
 * number of turns, just enough to make one positive.
 */
function turnOf<S extends Share>(ring: ReadonlyMap<string, S>, turn: number, may: (share: S) => boolean): S | null {
  const able = [...ring.values()].filter(may);
  if (able.length === 0) return null;
  const rounds = Math.max(0, Math.min(...able.map(({ credit }) => Math.ceil((1 - credit) / turn))));
  for (const share of able) share.credit += rounds * turn;
  return able.find(({ credit }) => credit > 0)!;
}
