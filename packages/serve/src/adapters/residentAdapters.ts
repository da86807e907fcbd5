import type { ServingError } from "../api/api.ts";
import { countValue, type HistogramCounts, noCounts } from "../metrics/families.ts";
import { loadBounds } from "../metrics/loadBounds.ts";
import type { StoreClock } from "../storage/storeClock.ts";
import type { AdapterLease } from "./adapterProvider.ts";
import { HeldMemory, type MemoryUser } from "./heldMemory.ts";
import { refused } from "./readAdapter.ts";
import { leastFirst, UseCounts, unused } from "./useCounts.ts";

/** A version on the model. */
export interface ResidentAdapter {
  readonly version: string;
  /** The bytes that its tensors take; while it loads, those that are kept for it. */
  readonly bytes: number;
  readonly method: string;
  readonly leases: number;
}

/** Options of `ResidentAdapters`. */
export interface ResidentOptions {
  readonly maxBytes: number;
  /** Milliseconds that a load waits for others to end by themselves. */
  readonly patienceMs: number;
  readonly clock: StoreClock;
  /** Takes a version off the model, perhaps to make room for a load. Does not throw. */
  readonly unload: (version: string, options: { readonly givesWay: boolean }) => Promise<void>;
  /** The versions that never give way. */
  readonly pinned: () => ReadonlySet<string>;
  /** False for a version that no name means any more: it leaves with its last lease. */
  readonly isWanted: (version: string) => boolean;
}

/** The user of loads that no request needs. */
const server: MemoryUser = { tenant: "" };

/** Puts a version on the model. */
export type LoadAdapter = () => Promise<{ readonly bytes: number; readonly method: string }>;

interface Resident {
  readonly version: string;
  bytes: number;
  method: string;
  leases: number;
  /** Its count of uses. */
  uses: number;
  state: "loading" | "ready" | "leaving";
  /** It takes no more leases, so that a load that waited long gets its memory. */
  draining: boolean;
}

interface Waiting {
  readonly version: string;
  bytes: number;
  readonly load: LoadAdapter;
  /** Those that get a lease when it is loaded. */
  leases: number;
  readonly done: Promise<void>;
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * The adapters on the model, under a budget of bytes. Those used least of late give way to others;
 * those leased or pinned never do. Where all are leased, loads wait in turn. After some patience,
 * no more leases are given on what stands in the way, so that every load comes to its end.
 */
export class ResidentAdapters {
  readonly #options: ResidentOptions;
  readonly #residents = new Map<string, Resident>();
  readonly #uses = new UseCounts();
  /** Loads by version, from their wait for memory to their end. */
  readonly #loads = new Map<string, Waiting>();
  /** Loads that wait for memory, in turn. */
  readonly #queue: Waiting[] = [];
  /** The bytes of versions that took other bytes than their files. */
  readonly #sizes = new Map<string, number>();
  #patience: { head: Waiting; cancel: () => void; over: boolean } | null = null;
  /** The memory that the requests of each tenant hold. */
  readonly held: HeldMemory = new HeldMemory();
  bytes = 0;
  hits = 0;
  loads = 0;
  /** The seconds of loads, by `loadBounds`. */
  readonly loadTimes: HistogramCounts = noCounts(loadBounds);
  evictions = 0;

  constructor(options: ResidentOptions) {
    this.#options = options;
  }

  /** The number of versions that are loaded. */
  get count(): number {
    let count = 0;
    for (const { state } of this.#residents.values()) if (state === "ready") count++;
    return count;
  }

  /** A version that is loaded, or on its way here or away. */
  get(version: string): ResidentAdapter | undefined {
    return this.#residents.get(version);
  }

  /** True while a load of the version waits or runs. */
  isLoading(version: string): boolean {
    return this.#loads.has(version);
  }

  /** A version that is loaded. */
  ready(version: string): ResidentAdapter | undefined {
    const resident = this.#residents.get(version);
    return resident?.state === "ready" ? resident : undefined;
  }

  /**
   * A lease on a version that is there or on its way; undefined if it must be loaded. Throws
   * ServingError for more memory than the user may hold.
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
   * A lease on a version, which `load` puts on the model if it is not there. `bytes` is what it is
   * expected to take. Throws ServingError `adapter_refused` for more than the budget, ServingError
   * for more memory than the user may hold, and what `load` throws.
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

  /** Lets versions go that nobody wants any more, and looks again for memory. */
  trim(): void {
    for (const resident of this.#residents.values()) this.#settle(resident);
    this.#pump();
  }

  /** Refuses the loads that wait. */
  close(error: ServingError): void {
    this.#setPatience(null);
    for (const waiting of this.#queue.splice(0)) this.#fail(waiting, error);
  }

  #joinLoad(load: Waiting, user: MemoryUser): Promise<AdapterLease> {
    const letGo = this.held.hold(user, load.version, load.bytes);
    load.leases++;
    return load.done.then(
      // Its lease was counted when the load ended, so that nothing can evict it before.
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

  /** Takes an idle version off if nobody wants it, or another needs its place. */
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

  /** Starts loads in turn, as far as there is memory; else makes some for the first. */
  #pump(): void {
    for (let head = this.#queue[0]; head; head = this.#queue[0]) {
      if (this.#patience?.head !== head) this.#setPatience(head);
      const before = this.#residents.get(head.version);
      if (before && !before.draining && before.state === "ready") {
        // It was to leave, and stayed.
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

  /** Returns true if there is room for a load; else starts to evict what may go. */
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
      // It took more than its file. It waits again, first in turn, for what it takes.
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

  /** Gives a load's leases to those that wait for it. */
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

/** Gives versions in the order in which they leave: those first that are to leave already. */
function* inTurn(able: readonly Resident[]): Generator<Resident, void, void> {
  yield* leastFirst(able.filter(({ draining }) => draining));
  yield* leastFirst(able.filter(({ draining }) => !draining));
}
