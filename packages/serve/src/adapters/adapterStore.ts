import { checkOptions } from "@lowrank/core/internal";
import type { OnWarning } from "@lowrank/peft";
import { printWarning } from "@lowrank/peft/internal";
import { isReserved, mayUse, modelPrefix } from "../access/mayUse.ts";
import { rightsTo, tenantsOf } from "../access/rights.ts";
import type { AdapterHost, AdapterLease, AdapterProvider, AdapterUser } from "../api/adapterProvider.ts";
import {
  type LoadOptions,
  type ServedAdapter,
  ServingError,
  type ServingStats,
  type UnloadOptions,
} from "../api/api.ts";
import type { Caller } from "../api/caller.ts";
import { type AdapterPlace, isInternal, isUnavailable } from "../storage/adapterPlace.ts";
import { type StoreClock, systemClock } from "../storage/storeClock.ts";
import { adapterNotFound, noAdapterIn, OtherFiles, outOfScope, reservedName } from "../storage/storeErrors.ts";
import { operatorText } from "../storage/storeFailure.ts";
import { AdapterLoads } from "./adapterLoads.ts";
import { AdapterCache } from "./cache/adapterCache.ts";
import type { AdapterRules } from "./checkAdapter.ts";
import { FoundAdapters, type Look } from "./foundAdapters.ts";
import { entryOf, type Manifest, type ManifestEntry, manifestText } from "./manifest.ts";
import { checkFree, isAmong, mayName, resolveEntry, withLoaded, withoutName } from "./manifestNames.ts";
import { ManifestWatch } from "./manifestWatch.ts";
import { type AdapterContent, findAdapter, readAdapter } from "./readAdapter.ts";

/** Options for `adapterStore`. */
export interface AdapterStoreOptions extends AdapterRules {
  /** Storage of the adapters: `folderPlace(path)` or `s3Place(options)`. */
  readonly place: AdapterPlace;
  /** Maximum number of bytes of all adapters on the model. */
  readonly maxAdapterBytes: number;
  /** Milliseconds between checks of the manifest, and of a folder that the manifest does not contain. Default 5000. */
  readonly pollMs?: number;
  /** Milliseconds for which a failure is remembered, unless the files change. Default 30000. */
  readonly failureMs?: number;
  /**
   * Milliseconds that a load waits for memory. After that time, the adapters that must be evicted for it accept no new
   * requests. Default 2000.
   */
  readonly patienceMs?: number;
  /** Receives warnings. Default: `console.warn`. */
  readonly onWarning?: OnWarning;
  /** Clock. Default: the system's. */
  readonly clock?: StoreClock;
}

/**
 * Returns a function for the option `adapters` of `createEngine`. The function creates an `AdapterStore`, which
 * provides adapters by name: it loads them on first use, within a memory budget. All servers that use the same storage
 * follow its manifest.
 */
export function adapterStore(options: AdapterStoreOptions): (host: AdapterHost) => AdapterProvider {
  checkOptions("adapterStore", options, {
    ...({ place: true, maxAdapterBytes: true, maxLoraRank: true, baseModel: true } as const),
    ...({ pollMs: true, failureMs: true, patienceMs: true, onWarning: true, clock: true } as const),
  });
  return (host) => {
    const store = new AdapterStore(host, options);
    void store.start();
    return store;
  };
}

/**
 * Adapters of a storage (`AdapterPlace`) by name, within a memory budget. An adapter is loaded when a request first
 * names it. A request keeps the version with which it began. Loads and unloads change the storage's manifest, which
 * every server that uses the storage follows.
 */
export class AdapterStore implements AdapterProvider {
  readonly #place: AdapterPlace;
  readonly #onWarning: OnWarning;
  readonly #watch: ManifestWatch;
  readonly #found: FoundAdapters;
  readonly #loads: AdapterLoads;
  readonly #cache: AdapterCache;
  /** The last started load or unload of each adapter name, if it has not ended. */
  readonly #changes = new Map<string, Promise<unknown>>();
  /** Text of the last warning about each pinned adapter, by name, so that it is not repeated. */
  readonly #warned = new Map<string, string>();
  /** Versions of pinned names, which are never evicted. */
  #pinned: ReadonlySet<string> = new Set();

  constructor(host: AdapterHost, options: AdapterStoreOptions) {
    const { place, maxAdapterBytes: maxBytes, pollMs = 5000, failureMs = 30_000, patienceMs = 2000 } = options;
    const { clock = systemClock, onWarning = printWarning } = options;
    if (!(maxBytes > 0)) {
      throw new Error(`adapterStore: maxAdapterBytes is ${maxBytes}; expected a number of bytes above 0`);
    }
    this.#place = place;
    this.#onWarning = onWarning;
    this.#watch = new ManifestWatch({ place, clock, pollMs, onWarning, onLook: () => this.#looked() });
    this.#found = new FoundAdapters({ place, clock, pollMs, maxBytes });
    this.#cache = new AdapterCache({ host, maxBytes, patienceMs, clock, onWarning });
    const reading = { place, clock, rules: options, maxBytes, pollMs, failureMs, onWarning };
    this.#loads = new AdapterLoads({ ...reading, cache: this.#cache });
  }

  /**
   * Reads the manifest, and follows its changes from then on. If the storage does not answer, warns and tries again.
   */
  async start(): Promise<void> {
    await this.#watch.start();
  }

  async acquire(name: string, user: AdapterUser): Promise<AdapterLease> {
    this.#cache.checkOpen();
    if (!mayName(name, user)) throw adapterNotFound(name);
    const known = await this.#watch.current();
    // A name that is not a path may just have been added to the manifest.
    const isNew = resolveEntry(known, name, user) === undefined && !this.#isPath(name);
    const manifest = isNew ? await this.#watch.fresh() : known;
    const entry = resolveEntry(manifest, name, user);
    if (entry) {
      if (!isAmong(tenantsOf(manifest, entry), user)) throw adapterNotFound(name);
      return this.#acquireNamed(name, entry, user);
    }
    if (entry === null || !manifest.discover) throw adapterNotFound(name);
    return this.#acquireFound(name, user);
  }

  async list(): Promise<readonly ServedAdapter[]> {
    const manifest = await this.#watch.fresh();
    // Sorted by name: the order in memory would show whether other servers have changed the file.
    const names = Object.keys(manifest.adapters).sort();
    const named = names.flatMap((name) => {
      const entry = manifest.adapters[name];
      return entry ? [this.#served(name, entry.path, { ...entry, tenants: tenantsOf(manifest, entry) })] : [];
    });
    if (!manifest.discover) return named;
    const paths = (await this.#found.list()).filter((path) => entryOf(manifest, path) === undefined);
    const found = paths.map((path) => {
      // Includes the version only if it is known from a use. The list must not show who has used the folder.
      return this.#served(path, path, { ...this.#found.get(path), ...rightsTo(manifest, { path }) });
    });
    return [...named, ...found];
  }

  async load(name: string, source: string, options: LoadOptions = {}): Promise<ServedAdapter> {
    const { replace = false, pin = false, by } = options;
    checkName(name);
    if (by && !mayUse(by, { name })) throw outOfScope(name);
    return this.#inTurn(name, async () => {
      await this.#watch.refresh();
      checkFree(await this.#watch.current(), name, replace, by);
      const folder = this.#folderOf(source, await this.#watch.current(), by);
      const loaded = { name, path: folder, replace, pinned: pin, by };
      const content = await this.#loads.read(folder);
      const { version } = content;
      const checked = await this.#watch.current();
      if (by && !isAmong(rightsTo(checked, { path: folder, version }).tenants, by)) {
        throw noAdapterIn(folder);
      }
      this.#loads.forgetFailure(folder, version, name);
      const lease = await this.#loads.onModel(name, { path: folder, version, content });
      try {
        const { method } = this.#cache.get(version)!;
        await this.#watch.edit((manifest) => withLoaded(manifest, { ...loaded, version, method }));
        return this.#served(name, folder, { version, method });
      } finally {
        lease.release();
      }
    });
  }

  async unload(name: string, { by }: UnloadOptions = {}): Promise<void> {
    if (by && !mayUse(by, { name })) throw adapterNotFound(name);
    await this.#inTurn(name, async () => {
      await this.#watch.refresh();
      const { discover = false } = await this.#watch.current();
      const isFolder = discover && (await this.#isFolder(name, by));
      let done: Manifest | undefined;
      await this.#watch.edit((manifest) => {
        // An earlier attempt whose answer was lost may have written it already.
        if (done && manifestText(manifest) === manifestText(done)) return manifest;
        done = withoutName(manifest, name, isFolder, by);
        return done;
      });
    });
  }

  stats(): ServingStats["adapters"] {
    const { bytes, hits, loads, evictions, count: resident } = this.#cache;
    const { adapters, discover } = this.#watch.known ?? { adapters: {}, discover: false };
    const named = Object.values(adapters).filter((entry) => entry !== null).length;
    // Only the folders that the manifest names are iterated, not the thousands of others.
    const others = () => this.#found.count - Object.keys(adapters).filter((path) => this.#found.has(path)).length;
    const found = discover ? others() : 0;
    const [registered, failures] = [named + found, this.#loads.failed];
    const { byTenant } = this.#cache.held;
    const loadTimes = structuredClone(this.#cache.loadTimes);
    return { registered, resident, bytes, hits, loads, evictions, failures, byTenant, loadTimes };
  }

  async close(): Promise<void> {
    this.#watch.close();
    this.#cache.close();
  }

  async #acquireNamed(name: string, entry: ManifestEntry, user: AdapterUser): Promise<AdapterLease> {
    const joined = this.#cache.join(entry.version, user);
    if (joined) return joined;
    try {
      return await this.#loads.onModel(name, { path: this.#place.pathOf(entry.path), version: entry.version, user });
    } catch (error) {
      if (!(error instanceof OtherFiles)) throw error;
      // Another server may have replaced the version, before this one has read the new manifest.
      await this.#watch.refresh();
      const now = resolveEntry(await this.#watch.current(), name, user);
      if (!now || now.version === entry.version) throw error;
      return this.acquire(name, user);
    }
  }

  async #acquireFound(name: string, user: AdapterUser): Promise<AdapterLease> {
    const path = this.#pathOfName(name);
    const found = this.#found.get(path);
    this.#checkRights(name, { path, version: found?.version }, user);
    const joined = found && this.#cache.join(found.version, user);
    if (!joined) return this.#lookAgain(name, path, user);
    // A version on the model is served at once, even if the place does not answer.
    if (this.#found.isDue(path))
      void this.#lookAgain(name, path, user).then(
        ({ release }) => release(),
        () => undefined,
      );
    return joined;
  }

  /**
   * Checks a folder for changes, and returns a lease on its current version. If changed files are invalid, returns a
   * lease on the version from before the change.
   */
  async #lookAgain(name: string, path: string, user: AdapterUser, attempts = 2): Promise<AdapterLease> {
    const look = await this.#loads.look(path, () => this.#look(path));
    this.#checkRights(name, { path, version: "version" in look ? look.version : look.content.version }, user);
    try {
      if ("version" in look) return await this.#loads.onModel(name, { path, ...look, user });
      return await this.#acceptNew(name, path, look.content, user);
    } catch (error) {
      if (!(error instanceof OtherFiles) || attempts === 1) throw error;
      // The files have changed between the check and the load.
      this.#found.expire(path);
      return this.#lookAgain(name, path, user, attempts - 1);
    }
  }

  /** Checks a folder. If the folder does not exist, unloads its version and throws `not_found`. */
  async #look(path: string): Promise<Look> {
    const look = await this.#found.look(path);
    if (!("missing" in look)) return look;
    if (look.wasKnown) this.#renamed();
    throw look.missing;
  }

  async #acceptNew(name: string, path: string, content: AdapterContent, user: AdapterUser): Promise<AdapterLease> {
    try {
      const lease = await this.#loads.onModel(name, { path, version: content.version, content, user });
      const replaces = this.#found.accept(path, content, this.#cache.get(content.version)!.method);
      if (replaces) this.#renamed();
      else this.#named(path, content.version);
      return lease;
    } catch (error) {
      // The files are valid if only the tenant's budget is exceeded.
      if (error instanceof OtherFiles || (error as ServingError).code === "queue_full") throw error;
      const before = this.#found.get(path);
      const joined = before && !isUnavailable(error) && this.#cache.join(before.version, user);
      if (!joined) {
        // Otherwise the next request would read the files again, only to find their version.
        await this.#loads.remember(path, error as ServingError);
        throw error;
      }
      this.#found.keep(path, content);
      const message = `${operatorText(error as Error)}; '${name}' is served as it was before its files changed`;
      this.#onWarning({ code: "changed-adapter", message });
      return joined;
    }
  }

  /** Applies the current manifest: unloads versions that no name refers to, and loads pinned ones. */
  #looked(): void {
    this.#renamed();
    const { adapters } = this.#watch.known as Manifest;
    for (const [name, entry] of Object.entries(adapters)) {
      if (!entry?.pinned || this.#cache.get(entry.version)) continue;
      this.#acquireNamed(name, entry, { tenant: "", operator: true }).then(
        ({ release }) => release(),
        (error: Error) => {
          const reason = operatorText(error);
          if (this.#cache.closed || this.#warned.get(name) === reason) return;
          this.#warned.set(name, reason);
          this.#onWarning({
            code: "pinned-adapter",
            message: `pinned adapter '${name}' is not loaded: ${reason}`,
          });
        },
      );
    }
  }

  /**
   * Marks a version in the cache as one that has a name, if its folder is served under its path. Used for the first
   * version of a folder. Unlike `#renamed`, does not compute the set of all such versions again.
   */
  #named(path: string, version: string): void {
    const { adapters, discover } = this.#watch.known ?? { adapters: {}, discover: false };
    if (discover && !Object.hasOwn(adapters, path)) this.#cache.addNamed(version);
  }

  #renamed(): void {
    const { adapters, discover } = this.#watch.known ?? { adapters: {}, discover: false };
    const entries = Object.values(adapters).filter((entry) => entry !== null);
    const found = discover ? this.#found.versions.filter(([path]) => !Object.hasOwn(adapters, path)) : [];
    const named = new Set([...entries.map(({ version }) => version), ...found.map(([, version]) => version)]);
    this.#pinned = new Set(entries.filter(({ pinned }) => pinned).map(({ version }) => version));
    this.#cache.rename(named, this.#pinned);
  }

  #served(
    name: string,
    source: string,
    { version, method, owner, tenants }: Partial<Pick<ManifestEntry, "version" | "method" | "owner" | "tenants">>,
  ): ServedAdapter {
    const resident = version === undefined ? undefined : this.#cache.ready(version);
    return {
      ...{ name, source, version: version ?? null, method: method ?? null },
      ...{ resident: resident !== undefined, bytes: resident?.bytes ?? 0, inUse: resident?.leases ?? 0 },
      pinned: version !== undefined && this.#pinned.has(version),
      ...(owner !== undefined && { owner }),
      ...(tenants && { tenants }),
    };
  }

  /** Returns true if the name is the path of an adapter's folder that the caller may use. */
  async #isFolder(name: string, by: Caller | undefined): Promise<boolean> {
    try {
      const path = this.#pathOfName(name);
      const folder = await findAdapter(this.#place, path);
      if (!by || by.operator) return true;
      const { version } = await readAdapter(this.#place, path, Number.POSITIVE_INFINITY, folder);
      return isAmong(rightsTo(await this.#watch.current(), { path, version }).tenants, by);
    } catch (error) {
      if (isUnavailable(error)) throw error;
      return (error as ServingError).code === "adapter_refused";
    }
  }

  /** Throws `not_found` if the manifest limits the folder, or copies of its version, to other tenants. */
  #checkRights(name: string, folder: { path: string; version?: string }, user: AdapterUser): void {
    const { known } = this.#watch;
    if (known && !isAmong(rightsTo(known, folder).tenants, user)) throw adapterNotFound(name);
  }

  /**
   * Returns the path of the folder from which a request loads an adapter. `source` is this path, or the name of a model
   * that a job has trained. The error is the same for a folder that does not exist and for a folder that the caller may
   * not use.
   */
  #folderOf(source: string, manifest: Manifest, by: Caller | undefined): string {
    if (source.startsWith(modelPrefix)) {
      const entry = entryOf(manifest, source);
      if (!entry || (by && !mayUse(by, { ...entry, name: source }))) throw noAdapterIn(source);
      return entry.path;
    }
    const path = this.#place.pathOf(source);
    if (isInternal(path)) throw noAdapterIn(path);
    if (by && !mayUse(by, { name: path, ...rightsTo(manifest, { path }) })) throw noAdapterIn(path);
    return path;
  }

  /**
   * Returns the folder whose path is `name`, for a name that is not in the manifest. Throws `not_found` if the name is
   * not a path.
   */
  #pathOfName(name: string): string {
    try {
      const path = this.#place.pathOf(name);
      if (path === name && !isInternal(path)) return path;
    } catch {}
    throw adapterNotFound(name);
  }

  #isPath(name: string): boolean {
    try {
      return this.#pathOfName(name) === name;
    } catch {
      return false;
    }
  }

  /** Runs loads and unloads of the same name one after the other. */
  async #inTurn<T>(name: string, change: () => Promise<T>): Promise<T> {
    this.#cache.checkOpen();
    const before = this.#changes.get(name);
    const running = (before ?? Promise.resolve()).catch(() => undefined).then(change);
    this.#changes.set(name, running);
    try {
      return await running;
    } finally {
      if (this.#changes.get(name) === running) this.#changes.delete(name);
    }
  }
}

function checkName(name: string): void {
  if (typeof name === "string" && name.length <= 256 && /^[^\p{Cc}]+$/u.test(name)) {
    if (isReserved(name)) throw reservedName(name);
    return;
  }
  const expected = "expected 1 to 256 characters, none of them a control character";
  throw new ServingError("invalid_request", `lora_name is ${JSON.stringify(name)}; ${expected}`, "lora_name");
}
