import type { AdapterSource as AdapterFiles, OnWarning } from "@lowrank/peft";
import type { AdapterHost, AdapterLease, AdapterValues, MemoryUser } from "../../api/adapterProvider.ts";
import { countValue, type HistogramCounts, loadBounds, noCounts } from "../../metrics/families.ts";
import type { StoreClock } from "../../storage/storeClock.ts";
import { closing } from "../../storage/storeErrors.ts";
import { AdapterStates, type CachedAdapter, type CacheEffect, type CacheEvent } from "./adapterStates.ts";
import { HeldMemory } from "./heldMemory.ts";
import { limiter } from "./limiter.ts";

/** Options for `AdapterCache`. */
interface CacheOptions {
  readonly host: AdapterHost;
  readonly maxBytes: number;
  /** Milliseconds that a load waits for memory before adapters in use accept no more requests. */
  readonly patienceMs: number;
  readonly clock: StoreClock;
  readonly onWarning: OnWarning;
}

/** Function that loads a version's files and their checked tensor values onto the model. */
type PutOnModel = (files: AdapterFiles, values: AdapterValues) => ReturnType<AdapterHost["load"]>;

/** Function that reads a version's files and loads them onto the model with `put`. */
export type LoadAdapter = (put: PutOnModel) => Promise<{ readonly bytes: number; readonly method: string }>;

/** Waiting or running load of a version. Requests that need the version wait for this promise. */
interface Load extends PromiseWithResolvers<void> {
  readonly load: LoadAdapter;
}

/** Tenant for loads that the server itself starts, such as loads of pinned adapters. Its memory is not limited. */
const server: MemoryUser = { tenant: "" };

/**
 * Cache of adapter versions on the model, within a budget of bytes. The cache sends events to `AdapterStates`, which
 * holds the states of the versions and returns effects. The cache performs these effects: it runs loads and unloads,
 * gives leases to requests, and starts timers.
 */
export class AdapterCache {
  /** Memory of the adapters that each tenant's requests use. */
  readonly held: HeldMemory = new HeldMemory();
  hits = 0;
  loads = 0;
  /** Histogram of load times in seconds, with the buckets `loadBounds`. */
  readonly loadTimes: HistogramCounts = noCounts(loadBounds);
  evictions = 0;
  closed = false;
  readonly #options: CacheOptions;
  readonly #states: AdapterStates;
  /** Loads by version, from the first request for the version until the load has ended. */
  readonly #loads = new Map<string, Load>();
  /** Runs one load or unload at a time, so that passes of the engine can run between them. */
  readonly #onHost = limiter(1);
  #stopPatience = () => {};

  constructor(options: CacheOptions) {
    this.#options = options;
    this.#states = new AdapterStates(options.maxBytes);
  }

  /** Number of bytes that the versions on the model take, including bytes reserved for versions that are being read. */
  get bytes(): number {
    return this.#states.bytes;
  }

  /** Number of versions on the model. */
  get count(): number {
    return this.#states.count;
  }

  /** Returns the entry of a version; undefined if the version's state is "absent". */
  get(version: string): CachedAdapter | undefined {
    return this.#states.get(version);
  }

  /**
   * Returns the entry of a version that requests can use or are using (resident or draining); undefined in other
   * states.
   */
  ready(version: string): CachedAdapter | undefined {
    const cached = this.#states.get(version);
    return cached?.state === "resident" || cached?.state === "draining" ? cached : undefined;
  }

  /** Returns true while requests wait for the version. */
  isLoading(version: string): boolean {
    return this.#loads.has(version);
  }

  /**
   * Returns a lease on a version that is resident, or for which other requests already wait. Otherwise returns
   * undefined, and the caller must load the version. Throws ServingError if the tenant's requests would use too much
   * memory.
   */
  join(version: string, user: MemoryUser = server): Promise<AdapterLease> | undefined {
    const cached = this.#states.get(version);
    if (cached?.state === "resident") {
      const { bytes } = cached;
      const letGo = this.held.hold(user, version, bytes);
      this.hits++;
      this.#send({ type: "acquire", version, bytes });
      return Promise.resolve(this.#lease(version, letGo));
    }
    const load = this.#loads.get(version);
    return cached && load && this.#wait(cached.version, cached.needs, load, user);
  }

  /**
   * Returns a lease on a version, and loads the version with `load` unless it is on the model. `bytes` is the size of
   * the version's files. Throws ServingError `adapter_refused` if the version does not fit the budget. Also throws
   * ServingError if the tenant's requests would use too much memory, and the errors of `load`.
   */
  acquire(version: string, bytes: number, load: LoadAdapter, user: MemoryUser = server): Promise<AdapterLease> {
    const joined = this.join(version, user);
    if (joined) return joined;
    const needs = this.#states.sizeOf(version, bytes);
    return this.#wait(version, needs, { load, ...Promise.withResolvers<void>() }, user);
  }

  /**
   * Sets which versions have a name, and which of them are pinned. Unloads versions that have no name and that no
   * request uses.
   */
  rename(named: ReadonlySet<string>, pinned: ReadonlySet<string>): void {
    this.#send({ type: "rename", named, pinned });
  }

  /** Records that a version has a name, so that it may stay on the model without requests. */
  addNamed(version: string): void {
    this.#send({ type: "named", version });
  }

  /** Throws after `close`. */
  checkOpen(): void {
    if (this.closed) throw closing();
  }

  /** Rejects the requests that wait for memory. */
  close(): void {
    this.closed = true;
    this.#send({ type: "close", error: closing() });
  }

  #wait(version: string, bytes: number, load: Load, user: MemoryUser): Promise<AdapterLease> {
    const letGo = this.held.hold(user, version, bytes);
    this.#loads.set(version, load);
    this.#send({ type: "acquire", version, bytes });
    return load.promise.then(
      // The number of leases was increased when the load ended, so the version cannot have been evicted since.
      () => this.#lease(version, letGo),
      (error) => {
        letGo();
        throw error;
      },
    );
  }

  #lease(version: string, letGo: () => void): AdapterLease {
    let released = false;
    return {
      version,
      release: () => {
        if (released) return;
        released = true;
        letGo();
        this.#send({ type: "release", version });
      },
    };
  }

  #send(event: CacheEvent): void {
    for (const effect of this.#states.send(event)) this.#perform(effect);
  }

  #perform(effect: CacheEffect): void {
    switch (effect.type) {
      case "read":
        this.#read(effect.version);
        break;
      case "unload":
        this.#unload(effect.version, effect.givesWay);
        break;
      case "grant":
        this.#end(effect.version).resolve();
        break;
      case "reject":
        this.#end(effect.version).reject(effect.error);
        break;
      case "patience":
        this.#setPatience(effect.starts);
    }
  }

  #end(version: string): Load {
    const load = this.#loads.get(version)!;
    this.#loads.delete(version);
    return load;
  }

  #read(version: string): void {
    const { host, clock } = this.#options;
    const start = clock.now();
    const { load } = this.#loads.get(version)!;
    load((files, values) => this.#onHost(() => host.load(version, files, values))).then(
      ({ bytes, method }) => {
        countValue(this.loadTimes, loadBounds, (clock.now() - start) / 1000);
        this.loads++;
        this.#send({ type: "loaded", version, bytes, method });
      },
      (error) => this.#send({ type: "failed", version, error }),
    );
  }

  #unload(version: string, givesWay: boolean): void {
    const { host, onWarning } = this.#options;
    if (givesWay) this.evictions++;
    void this.#onHost(() => host.unload(version, { givesWay }))
      .catch((error) => {
        const message = `adapter version ${version} could not be taken off the model: ${(error as Error).message}`;
        onWarning({ code: "stuck-adapter", message });
      })
      .then(() => this.#send({ type: "unloaded", version }));
  }

  #setPatience(starts: boolean): void {
    const { clock, patienceMs } = this.#options;
    this.#stopPatience();
    this.#stopPatience = starts ? clock.after(patienceMs, () => this.#send({ type: "impatient" })) : () => {};
  }
}
