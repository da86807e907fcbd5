/** A request as the queue sees it. */
export interface Queued {
  readonly tenant: string;
  readonly adapter: string | null;
  /** Among the requests of its tenant, the lowest is taken first. Default 0. */
  readonly priority?: number;
}

/** The turns of one tenant, or of one adapter of a tenant. */
interface Share {
  /** Tokens that it may still be served in its turn; below 0 it waits for later rounds. */
  credit: number;
  /** Requests of it that wait or run. */
  requests: number;
}

interface AdapterShare<T> extends Share {
  readonly waiting: T[];
}

interface TenantShare<T> extends Share {
  readonly adapters: Map<string, AdapterShare<T>>;
}

/**
 * Tokens that a tenant is served in one turn, and one of its adapters. An adapter's are those of
 * some requests, which then run side by side: passes have fewer adapters, whose factors take time
 * to read, and one that many ask for is kept waiting less.
 */
const [tenantTurn, adapterTurn] = [256, 1024];

/**
 * Requests that wait, served by deficit round robin (Shreedhar and Varghese 1996): tenants take
 * turns, and a tenant's adapters among themselves, by tokens served. Requests of one adapter come
 * in the order of their arrival. Every share's turn comes, so none starves. A tenant's requests of
 * lower priority values are taken before its others; they take nothing from other tenants.
 */
export class FairQueue<T extends Queued> {
  readonly #tenants = new Map<string, TenantShare<T>>();
  /** The shares of each request that waits or runs. */
  readonly #shares = new Map<T, { readonly tenant: TenantShare<T>; readonly adapter: AdapterShare<T> }>();
  #size = 0;

  /** Requests that wait. */
  get size(): number {
    return this.#size;
  }

  /**
   * Adds a request behind the waiting ones of its adapter and priority. `leave` must follow when it
   * ends.
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

  /** Takes the request whose turn it is, of those that `may` admits; null if there is none. */
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

  /** Counts tokens of a request as served; those of one that has ended do not count. */
  charge(request: T, tokens: number): void {
    const shares = this.#shares.get(request);
    if (!shares) return;
    shares.tenant.credit -= tokens;
    shares.adapter.credit -= tokens;
  }

  /** Ends a request, waiting or taken. A share without requests is forgotten. */
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

/** The base model is a share beside the adapters; no adapter's key is empty. */
function keyOf({ adapter }: Pick<Queued, "adapter">): string {
  return adapter === null ? "" : `/${adapter}`;
}

/**
 * The share whose turn it is: the first with credit. Where none has any, all are given as much as
 * it takes.
 */
function turnOf<S extends Share>(ring: ReadonlyMap<string, S>, turn: number, may: (share: S) => boolean): S | null {
  const able = [...ring.values()].filter(may);
  if (able.length === 0) return null;
  const rounds = Math.min(...able.map(({ credit }) => (credit > 0 ? 0 : Math.ceil((1 - credit) / turn))));
  for (const share of able) share.credit += rounds * turn;
  return able.find(({ credit }) => credit > 0)!;
}
