import { memoryFiles } from "@lowrank/files";
import type { OnWarning } from "@lowrank/peft";
import type { AdapterLease, MemoryUser } from "../api/adapterProvider.ts";
import { ServingError } from "../api/api.ts";
import { type AdapterPlace, isUnavailable } from "../storage/adapterPlace.ts";
import type { StoreClock } from "../storage/storeClock.ts";
import { adapterRefused, OtherFiles } from "../storage/storeErrors.ts";
import type { AdapterCache, LoadAdapter } from "./cache/adapterCache.ts";
import { limiter } from "./cache/limiter.ts";
import { AdapterChecks, type AdapterRules } from "./checkAdapter.ts";
import {
  type AdapterContent,
  type AdapterFolder,
  findAdapter,
  folderState,
  freeWeights,
  isFreed,
  readAdapter,
} from "./readAdapter.ts";

/** Options for `AdapterLoads`. */
interface LoadOptions {
  readonly cache: AdapterCache;
  readonly place: AdapterPlace;
  readonly clock: StoreClock;
  /** Maximum number of bytes of an adapter's files. */
  readonly maxBytes: number;
  readonly rules: AdapterRules;
  /** Milliseconds between checks of a failed folder for changes. */
  readonly pollMs: number;
  /** Milliseconds for which a folder is refused after a failure. */
  readonly failureMs: number;
  readonly onWarning: OnWarning;
}

/** Adapter version to load onto the model, with its folder's path. */
interface Target {
  readonly path: string;
  readonly version: string;
  /** Files of the folder, if they were listed just before. */
  readonly folder?: AdapterFolder | null;
  /** Content of the files, if it has already been read. */
  readonly content?: AdapterContent;
  /** Tenant whose request needs the version, with its memory limit. Default: the server itself, without a limit. */
  readonly user?: MemoryUser;
}

/** Maximum number of adapters that are read at the same time. */
const readsAtOnce = 16;

/**
 * Maximum number of bytes of adapter files that stay in memory while they wait to be loaded onto the model. Further
 * files are dropped, and read again later.
 */
const mostWaiting = 16 << 20;

/**
 * Loads adapter versions from their folders onto the model. Reads and checks a version's files when the cache has
 * memory for it. After a failure, refuses the folder for some time.
 */
export class AdapterLoads {
  /** Number of reads, checks and loads that have failed. */
  failed = 0;
  readonly #options: LoadOptions;
  readonly #checks: AdapterChecks;
  readonly #failures: Failures;
  readonly #reading = limiter(readsAtOnce);
  /** Bytes of adapter files in memory that wait to be loaded onto the model. */
  #waiting = 0;

  constructor(options: LoadOptions) {
    const { rules, clock, pollMs, failureMs, onWarning } = options;
    this.#options = options;
    this.#checks = new AdapterChecks(rules, onWarning);
    this.#failures = new Failures(clock, { forMs: failureMs, checkMs: pollMs });
  }

  /** Reads an adapter's files, even if an earlier attempt failed a short time ago. */
  read(path: string): Promise<AdapterContent> {
    const { place, maxBytes } = this.#options;
    return readAdapter(place, path, maxBytes);
  }

  /**
   * Runs `look`, which checks a folder, and remembers the error if it throws. If an earlier check failed recently and
   * the folder has not changed since, throws the remembered error without running `look`.
   */
  async look<T>(path: string, look: () => Promise<T>): Promise<T> {
    const key = failureKey(path);
    await this.#checkFailures(key, path);
    return this.#remembering(key, path, () => this.#reading(look));
  }

  /** Returns a lease on a version. Reads, checks and loads the version if it is not on the model. */
  async onModel(name: string, target: Target): Promise<AdapterLease> {
    const { path, version, content, folder = content?.folder, user } = target;
    const { place, maxBytes, cache } = this.#options;
    const key = failureKey(path, version, name);
    await this.#checkFailures(key, path);
    const found = folder ?? (await this.#remembering(key, path, () => findAdapter(place, path)));
    cache.checkOpen();
    let held = content;
    const joins = cache.isLoading(version);
    const load: LoadAdapter = (put) =>
      this.#remembering(key, path, async () => {
        const waited = held && !isFreed(held) ? held : undefined;
        const read = waited ?? (await this.#reading(() => readAdapter(place, path, maxBytes, found)));
        if (read.version !== version) throw new OtherFiles(name, path, version, read.version);
        const values = await this.#checks.check(read, name);
        const files = memoryFiles(read.files, `LoRA adapter '${name}'`);
        const loaded = await put(files, values);
        if (loaded.copied) freeWeights(read);
        return loaded;
      });
    const lease = cache.acquire(version, found.weights.size, load, user).catch((error: unknown) => {
      if (!joins || !(error instanceof ServingError) || error.code !== "adapter_refused") throw error;
      // An error from another request's load contains the name in that request.
      return this.onModel(name, { ...target, content: undefined });
    });
    // If waiting loads already keep much content in memory, drop this content and read it again later.
    const size = held ? found.weights.size : 0;
    if (this.#waiting + size > mostWaiting) {
      held = undefined;
      return lease;
    }
    this.#waiting += size;
    return lease.finally(() => {
      this.#waiting -= size;
    });
  }

  /** Throws the remembered error for `key`, unless the files at `path` have changed since the failure. */
  async #checkFailures(key: string, path: string): Promise<void> {
    await this.#failures.check(key, () => folderState(this.#options.place, path));
  }

  /**
   * Runs `work` on an adapter. If `work` throws, remembers the error for later requests. Does not remember the error of
   * a store that is unavailable.
   */
  async #remembering<T>(key: string, path: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      const error = cause instanceof ServingError ? cause : adapterRefused((cause as Error).message);
      this.failed++;
      await this.#remember(key, path, error);
      throw error;
    }
  }

  async #remember(key: string, path: string, error: ServingError): Promise<void> {
    if (!isUnavailable(error)) this.#failures.add(key, error, await folderState(this.#options.place, path));
  }

  /** Remembers an error for a folder's path, so that `look` throws it. */
  async remember(path: string, error: ServingError): Promise<void> {
    await this.#remember(failureKey(path), path, error);
  }

  /**
   * Forgets the failure to load a version that was requested under a name. The next request then tries to load it at
   * once.
   */
  forgetFailure(path: string, version: string, name: string): void {
    this.#failures.forget(failureKey(path, version, name));
  }
}

/**
 * Returns the key under which an error is remembered. The key contains the adapter's name, since the error's message
 * contains the name too. Requests that use another name for the same folder must not get this message.
 */
function failureKey(path: string, version = "", name = path): string {
  return `${path} ${version} ${name}`;
}

interface Failure {
  readonly error: ServingError;
  readonly until: number;
  /** Fingerprint of the adapter's folder when the load failed; null if unknown. */
  readonly state: string | null;
  /** Time when the folder was last compared with `state`, in milliseconds. */
  checked: number;
}

/** Maximum number of failures to remember. The oldest are dropped. */
const most = 1000;

/** Remembers recent failures of adapters, so that a broken adapter is not read again for each request. */
export class Failures {
  readonly #clock: StoreClock;
  readonly #forMs: number;
  readonly #checkMs: number;
  readonly #byKey = new Map<string, Failure>();

  constructor(clock: StoreClock, { forMs, checkMs }: { forMs: number; checkMs: number }) {
    this.#clock = clock;
    this.#forMs = forMs;
    this.#checkMs = checkMs;
  }

  /**
   * Rethrows the remembered error for `key`. Does nothing if there is none, if it has expired, or if the adapter's
   * folder has changed since the failure. `state` returns the folder's current fingerprint, which shows such a change.
   */
  async check(key: string, state: () => Promise<string | null>): Promise<void> {
    const failure = this.#byKey.get(key);
    if (!failure) return;
    const now = this.#clock.now();
    if (now < failure.until) {
      const recent = now - failure.checked < this.#checkMs;
      if (!recent) failure.checked = now;
      if (recent || [failure.state, null].includes(await state())) {
        // Repeats the first answer, since a difference would show that others have asked before.
        const { code, message, param, retryAfter } = failure.error;
        throw new ServingError(code, message, param, retryAfter);
      }
    }
    this.#byKey.delete(key);
  }

  add(key: string, error: ServingError, state: string | null): void {
    const now = this.#clock.now();
    this.#byKey.delete(key);
    this.#byKey.set(key, { error, state, until: now + this.#forMs, checked: now });
    for (const old of this.#byKey.keys()) {
      if (this.#byKey.size <= most) break;
      this.#byKey.delete(old);
    }
  }

  forget(key: string): void {
    this.#byKey.delete(key);
  }
}
