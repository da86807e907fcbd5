import { ServingError } from "../api/api.ts";
import { type AdapterPlace, isUnavailable } from "../storage/adapterPlace.ts";
import type { StoreClock } from "../storage/storeClock.ts";
import { type AdapterContent, type AdapterFolder, findAdapter, type KnownConfig, readAdapter } from "./readAdapter.ts";

/** Options for `FoundAdapters`. */
interface FoundOptions {
  readonly place: AdapterPlace;
  readonly clock: StoreClock;
  /** Milliseconds between checks of a folder. */
  readonly pollMs: number;
  /** Maximum number of bytes of an adapter's files. */
  readonly maxBytes: number;
}

/** Adapter that the manifest does not contain. A request has named it by the path of its folder. */
interface FoundAdapter {
  readonly version: string;
  readonly method: string;
  /** Files of the folder; null if they must be read again. */
  readonly folder: AdapterFolder | null;
  looked: number;
}

/**
 * Result of checking a folder: the known version if the files are unchanged, otherwise the content of new files, which
 * are not loaded yet. `folder` is null if the storage does not answer.
 */
export type Look =
  | { readonly version: string; readonly folder: AdapterFolder | null }
  | { readonly content: AdapterContent };

/** Result of checking a folder that does not exist. */
interface MissingFolder {
  /** The error `not_found`. */
  readonly missing: ServingError;
  /** True if a version of the folder was known until now. */
  readonly wasKnown: boolean;
}

/** Longest configuration text, in characters, that is kept. */
const longestKept = 4096;

/**
 * Maximum number of configuration texts that are cached. Adapters from the same kind of training often have equal
 * texts, which then share memory.
 */
const mostShared = 32;

/** Adapters in folders that the manifest does not name, by path. A folder is checked for changes when it is used. */
export class FoundAdapters {
  readonly #options: FoundOptions;
  readonly #byPath = new Map<string, FoundAdapter>();
  readonly #looks = new Map<string, Promise<Look | MissingFolder>>();
  /** Recently read configurations by hash. Adapters with equal configurations share them. */
  readonly #configs = new Map<string, KnownConfig>();
  #listed: { readonly paths: ReadonlySet<string>; readonly at: number } | null = null;
  /** Folders that requests have used, but that the last listing does not contain. */
  readonly #unlisted = new Set<string>();

  constructor(options: FoundOptions) {
    this.#options = options;
  }

  get(path: string): FoundAdapter | undefined {
    return this.#byPath.get(path);
  }

  /** Number of known folders: folders in the last listing, and folders that requests have used. */
  get count(): number {
    return (this.#listed?.paths.size ?? 0) + this.#unlisted.size;
  }

  /** Returns true if the folder was in the last listing, or if requests have used it. */
  has(path: string): boolean {
    return this.#listed?.paths.has(path) || this.#unlisted.has(path);
  }

  get versions(): readonly (readonly [path: string, version: string])[] {
    return [...this.#byPath].map(([path, { version }]) => [path, version]);
  }

  /** Lists all folders. If the storage does not answer, returns the last listing. */
  async list(): Promise<readonly string[]> {
    const { place, clock, pollMs } = this.#options;
    if (this.#listed === null || clock.now() - this.#listed.at >= pollMs) {
      try {
        this.#listed = { paths: new Set(await place.adapters()), at: clock.now() };
        this.#unlisted.clear();
        for (const path of this.#byPath.keys()) this.#noteUse(path);
      } catch (error) {
        if (!isUnavailable(error) || this.#listed === null) throw error;
      }
    }
    return [...this.#listed.paths, ...this.#unlisted].sort();
  }

  #noteUse(path: string): void {
    if (!this.#listed?.paths.has(path)) this.#unlisted.add(path);
  }

  /** Returns true if a folder is due for a check. */
  isDue(path: string): boolean {
    const found = this.#byPath.get(path);
    return !found || this.#options.clock.now() - found.looked >= this.#options.pollMs;
  }

  /** Checks a folder. Concurrent calls share the check. */
  look(path: string): Promise<Look | MissingFolder> {
    const running = this.#looks.get(path);
    if (running) return running;
    const look = this.#look(path).finally(() => this.#looks.delete(path));
    this.#looks.set(path, look);
    return look;
  }

  /**
   * Records a version that was loaded without error as the folder's current version. Returns true if it replaces
   * another version.
   */
  accept(path: string, content: AdapterContent, method: string): boolean {
    const { version } = content;
    const before = this.#byPath.get(path);
    const folder = { ...content.folder, known: this.#knownConfig(content) };
    this.#byPath.set(path, { version, method, folder, looked: this.#options.clock.now() });
    this.#noteUse(path);
    return before !== undefined;
  }

  /** Returns the configuration to keep with a folder; undefined if the text is too long. */
  #knownConfig({ config: text, configHash: hash }: AdapterContent): KnownConfig | undefined {
    if (text.length > longestKept) return undefined;
    const known = this.#configs.get(hash) ?? { text, hash };
    this.#configs.set(hash, known);
    for (const oldest of this.#configs.keys()) {
      if (this.#configs.size <= mostShared) break;
      this.#configs.delete(oldest);
    }
    return known;
  }

  /**
   * Continues to serve the version from before a change, since the folder's new files are invalid. The folder is
   * checked again after its next change.
   */
  keep(path: string, { folder }: AdapterContent): void {
    const found = this.#byPath.get(path);
    if (found) this.#byPath.set(path, { ...found, folder, looked: this.#options.clock.now() });
  }

  /** Makes the next check read the folder again, even if it has not changed. */
  expire(path: string): void {
    const found = this.#byPath.get(path);
    if (found) this.#byPath.set(path, { ...found, folder: null });
  }

  /** Forgets a folder that does not exist. Returns true if it had a version. */
  #forget(path: string): boolean {
    this.#unlisted.delete(path);
    return this.#byPath.delete(path);
  }

  async #look(path: string): Promise<Look | MissingFolder> {
    const { place, clock, maxBytes } = this.#options;
    const found = this.#byPath.get(path);
    let folder: AdapterFolder | null = null;
    try {
      const before = found?.folder;
      const isSame = before && (await place.holds(path, [before.config, before.weights]));
      folder = isSame ? before : await findAdapter(place, path);
      if (!found || before?.state !== folder.state)
        return { content: await readAdapter(place, path, maxBytes, folder) };
    } catch (error) {
      if (error instanceof ServingError && error.code === "not_found") {
        return { missing: error, wasKnown: this.#forget(path) };
      }
      if (!found || !isUnavailable(error)) throw error;
    }
    found.looked = clock.now();
    return { version: found.version, folder };
  }
}
