import type { ServingError } from "../api/api.ts";
import { countValue, type HistogramCounts, loadBounds, noCounts } from "../metrics/families.ts";
import type { StoreClock } from "../storage/storeClock.ts";
import type { AdapterLease } from "./adapterProvider.ts";
import { HeldMemory, type MemoryUser } from "./heldMemory.ts";
import { refused } from "./readAdapter.ts";
import { leastFirst, UseCounts, unused } from "./useCounts.ts";

/** Adapter version that is on the model, or is being loaded or unloaded. */
export interface ResidentAdapter {
  readonly version: string;
  /** Bytes of the adapter's tensors. While the adapter loads, the bytes that are reserved for them. */
  readonly bytes: number;
  readonly method: string;
  readonly leases: number;
}

/** Options for `ResidentAdapters`. */
export interface ResidentOptions {
  readonly maxBytes: number;
  /** Milliseconds that a load waits for memory before adapters in use accept no more requests. */
  readonly patienceMs: number;
  readonly clock: StoreClock;
  /** Unloads a version. `givesWay` is true if the version is evicted for another load. Does not throw. */
  readonly unload: (version: string, options: { readonly givesWay: boolean }) => Promise<void>;
  /** Versions that are never evicted. */
  readonly pinned: () => ReadonlySet<string>;
  /** Returns false for a version that no name refers to any more. It is unloaded after its last lease. */
  readonly isWanted: (version: string) => boolean;
}

/** Tenant for loads that the server itself starts, such as loads of pinned adapters. Its memory is not limited. */
const server: MemoryUser = { tenant: "" };

/** Loads a version onto the model. */
export type LoadAdapter = () => Promise<{ readonly bytes: number; readonly method: string }>;

interface Resident {
  readonly version: string;
  bytes: number;
  method: string;
  leases: number;
  /** Decayed number of uses, from `UseCounts`. */
  uses: number;
  state: "loading" | "ready" | "leaving";
  /** True if the adapter accepts no more leases, so that it can be evicted for a load that has waited long. */
  draining: boolean;
}

interface Waiting {
  readonly version: string;
  bytes: number;
  readonly load: LoadAdapter;
  /** Number of requests that wait for this load. Each gets a lease when the load ends. */
  leases: number;
  readonly done: Promise<void>;
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * Adapters on the model, within a budget of bytes. Adapters with few and old uses are evicted first; leased or pinned
 * adapters are not evicted. If all are leased, loads wait in order. After `patienceMs`, the adapters that must be
 * evicted for the first waiting load accept no more leases, so that every load completes.
 */
export class ResidentAdapters {
  readonly #options: ResidentOptions;
  readonly #residents = new Map<string, Resident>();
  readonly #uses = new UseCounts();
  /** Loads by version, including loads that still wait for memory. */
  readonly #loads = new Map<string, Waiting>();
  /** Loads that wait for memory, in order. */
  readonly #queue: Waiting[] = [];
  /** Bytes in memory, by version, for adapters that proved larger in memory than in their files. */
  readonly #sizes = new Map<string, number>();
  #patience: { head: Waiting; cancel: () => void; over: boolean } | null = null;
  /** Memory of the adapters that each tenant's requests use. */
  readonly held: HeldMemory = new HeldMemory();
  bytes = 0;
  hits = 0;
  loads = 0;
  /** Histogram of load times in seconds, with the buckets `loadBounds`. */
  readonly loadTimes: HistogramCounts = noCounts(loadBounds);
  evictions = 0;

  constructor(options: ResidentOptions) {
    this.#options = options;
  }

  /** Number of loaded versions. */
  get count(): number {
    let count = 0;
    for (const { state } of this.#residents.values()) if (state === "ready") count++;
    return count;
  }

  /**
   * Returns a version on the model, in any state (loading, ready or being unloaded); undefined if it is not on the
   * model.
   */
  get(version: string): ResidentAdapter | undefined {
    return this.#residents.get(version);
  }

  /** Returns true while a load of the version waits or runs. */
  isLoading(version: string): boolean {
    return this.#loads.has(version);
  }

  /** Returns a version that has been loaded; undefined if it is not ready. */
  ready(version: string): ResidentAdapter | undefined {
    const resident = this.#residents.get(version);
    return resident?.state === "ready" ? resident : undefined;
  }

  /**
   * Returns a lease on a version that is loaded or loading; undefined if it is neither, so that the caller must load
   * it. Throws ServingError if the user would hold too much memory.
   */
  join(version: string, user: MemoryUser = server): Promise<AdapterLease> | undefined {
    const resident = this.#residents.get(version);
    if (resident?.state === "ready" && !resident.draining) {
      const letGo = this.held.hold(user, version, resident.bytes);
      this.hits++;
      resident.leases++;
      return Promise.resolve(this.#lease(resident, letGo));
    }
    const load = this.#loads.get(version);
    return load && this.#joinLoad(load, user);
  }

  /**
   * Returns a lease on a version, and loads it with `load` unless it is on the model. `bytes` is its expected size in
   * memory. Throws ServingError `adapter_refused` if the version does not fit the budget, ServingError if the user
   * would hold too much memory, and the errors of `load`.
   */
  acquire(version: string, bytes: number, load: LoadAdapter, user: MemoryUser = server): Promise<AdapterLease> {
    const joined = this.join(version, user);
    if (joined) return joined;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiting: Waiting = {
      ...{ version, load, leases: 0, done: promise, resolve, reject },
      bytes: this.#sizes.get(version) ?? bytes,
    };
    const lease = this.#joinLoad(waiting, user);
    this.#loads.set(version, waiting);
    this.#queue.push(waiting);
    this.#pump();
    return lease;
  }

  /** Unloads versions without a name that no request uses, and starts waiting loads. */
  trim(): void {
    for (const resident of this.#residents.values()) this.#settle(resident);
    this.#pump();
  }

  /** Rejects the waiting loads. */
  close(error: ServingError): void {
    this.#setPatience(null);
    for (const waiting of this.#queue.splice(0)) this.#fail(waiting, error);
  }

  #joinLoad(load: Waiting, user: MemoryUser): Promise<AdapterLease> {
    const letGo = this.held.hold(user, load.version, load.bytes);
    load.leases++;
    return load.done.then(
      // The number of leases was increased when the load ended, so the version cannot have been evicted since.
      () => this.#lease(this.#residents.get(load.version)!, letGo),
      (error) => {
        letGo();
        throw error;
      },
    );
  }

  #lease(resident: Resident, letGo: () => void): AdapterLease {
    let released = false;
    resident.uses = this.#uses.count(resident.version);
    return {
      version: resident.version,
      release: () => {
        if (released) return;
        released = true;
        letGo();
        resident.leases--;
        this.#settle(resident);
        this.#pump();
      },
    };
  }

  /** Unloads a version if no request uses it and no name refers to it. */
  #settle(resident: Resident): void {
    if (resident.state !== "ready" || resident.leases > 0) return;
    if (!this.#options.isWanted(resident.version)) void this.#takeOff(resident, { givesWay: false });
  }

  async #takeOff(resident: Resident, options: { readonly givesWay: boolean }): Promise<void> {
    resident.state = "leaving";
    await this.#options.unload(resident.version, options);
    this.#forget(resident);
    this.#pump();
  }

  #forget(resident: Resident): void {
    this.#residents.delete(resident.version);
    this.bytes -= resident.bytes;
  }

  /** Starts waiting loads in order while there is memory. If the first does not fit, evicts adapters for it. */
  #pump(): void {
    for (let head = this.#queue[0]; head; head = this.#queue[0]) {
      if (this.#patience?.head !== head) this.#setPatience(head);
      const before = this.#residents.get(head.version);
      if (before && !before.draining && before.state === "ready") {
        // The version is on the model: it was draining for another load, but has been kept.
        this.#queue.shift();
        this.#hand(head, before);
        continue;
      }
      const most = this.#options.maxBytes - this.#pinnedBytes();
      if (head.bytes > most) {
        this.#queue.shift();
        this.#fail(head, this.#tooLarge(head.bytes, most));
        continue;
      }
      if (before || !this.#makeRoom(head)) break;
      this.#queue.shift();
      this.#start(head);
    }
    if (this.#queue.length === 0 && this.#patience) this.#setPatience(null);
  }

  /** Returns true if enough memory is free for a load. Otherwise starts to evict adapters. */
  #makeRoom(head: Waiting): boolean {
    let free = this.#options.maxBytes - this.bytes;
    if (head.bytes <= free) return true;
    const pinned = this.#options.pinned();
    const [idle, leased]: Resident[][] = [[], []];
    let idleBytes = 0;
    for (const resident of this.#residents.values()) {
      if (resident.state === "leaving") free += resident.bytes;
      if (resident.state !== "ready" || pinned.has(resident.version)) continue;
      if (resident.leases > 0) leased.push(resident);
      else {
        idle.push(resident);
        idleBytes += resident.bytes;
      }
    }
    if (head.bytes <= free) return false;
    if (head.bytes <= free + idleBytes) {
      for (const victim of inTurn(idle)) {
        if (head.bytes <= free) break;
        free += victim.bytes;
        this.evictions++;
        void this.#takeOff(victim, { givesWay: true });
      }
    } else if (this.#patience?.head === head && this.#patience.over) {
      free += idleBytes;
      for (const victim of inTurn(leased)) {
        if (head.bytes <= free) break;
        free += victim.bytes;
        victim.draining = true;
      }
    }
    return false;
  }

  #start(waiting: Waiting): void {
    const resident: Resident = {
      ...{ version: waiting.version, bytes: waiting.bytes, method: "", leases: 0, uses: unused },
      ...{ state: "loading" as const, draining: false },
    };
    this.#residents.set(waiting.version, resident);
    this.bytes += waiting.bytes;
    const { clock } = this.#options;
    const start = clock.now();
    waiting.load().then(
      (loaded) => {
        countValue(this.loadTimes, loadBounds, (clock.now() - start) / 1000);
        return this.#loaded(waiting, resident, loaded);
      },
      (error) => {
        this.#forget(resident);
        this.#fail(waiting, error);
        this.#pump();
      },
    );
  }

  async #loaded(waiting: Waiting, resident: Resident, loaded: { bytes: number; method: string }): Promise<void> {
    this.loads++;
    const { maxBytes } = this.#options;
    if (this.bytes - resident.bytes + loaded.bytes > maxBytes) {
      // The adapter is larger in memory than in its file. Unloads it, and puts the load first in the queue, with the
      // actual size.
      this.#sizes.set(waiting.version, loaded.bytes);
      await this.#options.unload(waiting.version, { givesWay: false });
      this.#forget(resident);
      waiting.bytes = loaded.bytes;
      this.#queue.unshift(waiting);
    } else {
      this.bytes += loaded.bytes - resident.bytes;
      resident.bytes = loaded.bytes;
      resident.method = loaded.method;
      resident.state = "ready";
      this.#hand(waiting, resident);
    }
    this.#pump();
  }

  /** Gives a lease on a loaded version to each request that waits for it. */
  #hand(waiting: Waiting, resident: Resident): void {
    this.#loads.delete(waiting.version);
    resident.leases += waiting.leases;
    waiting.resolve();
  }

  #fail(waiting: Waiting, error: unknown): void {
    this.#loads.delete(waiting.version);
    waiting.reject(error);
  }

  #pinnedBytes(): number {
    let sum = 0;
    for (const version of this.#options.pinned()) sum += this.#residents.get(version)?.bytes ?? 0;
    return sum;
  }

  #tooLarge(bytes: number, most: number): ServingError {
    const { maxBytes } = this.#options;
    const pinned = most < maxBytes ? `, of which pinned adapters take ${maxBytes - most}` : "";
    return refused(
      `the adapter takes ${bytes} bytes, and maxAdapterBytes is ${maxBytes}${pinned}; give it more, or train a lower rank`,
    );
  }

  #setPatience(head: Waiting | null): void {
    this.#patience?.cancel();
    if (this.#patience?.over) for (const resident of this.#residents.values()) resident.draining = false;
    this.#patience = null;
    if (!head) return;
    const { clock, patienceMs } = this.#options;
    const patience = { head, over: false, cancel: () => {} };
    patience.cancel = clock.after(patienceMs, () => {
      patience.over = true;
      this.#pump();
    });
    this.#patience = patience;
  }
}

/** Yields adapters in the order in which to evict them: draining ones first, then those with the fewest uses. */
function* inTurn(able: readonly Resident[]): Generator<Resident, void, void> {
  yield* leastFirst(able.filter(({ draining }) => draining));
  yield* leastFirst(able.filter(({ draining }) => !draining));
}
