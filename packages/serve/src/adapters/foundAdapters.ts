import { ServingError } from "../api/api.ts";
import { type AdapterPlace, isUnavailable } from "../storage/adapterPlace.ts";
import type { StoreClock } from "../storage/storeClock.ts";
import { type AdapterContent, type AdapterFolder, findAdapter, type KnownConfig, readAdapter } from "./readAdapter.ts";

/** Options of `FoundAdapters`. */
interface FoundOptions {
  readonly place: AdapterPlace;
  readonly clock: StoreClock;
  /** Milliseconds between two looks at a folder. */
  readonly pollMs: number;
  /** The most bytes that an adapter's files may have. */
  readonly maxBytes: number;
  /** Called with the version of a folder that had none. */
  readonly onAdded: (path: string, version: string) => void;
  /** Called when a folder has another version than before, or none any more. */
  readonly onChange: () => void;
}

/** A folder that a request has named. */
interface FoundAdapter {
  readonly version: string;
  readonly method: string;
  /** Its files; null where they are to be read again. */
  readonly folder: AdapterFolder | null;
  looked: number;
}

/**
 * A folder as it was found: with the version from before, or with other files, not yet tried.
 * `folder` is null where the place does not answer.
 */
export type Look =
  | { readonly version: string; readonly folder: AdapterFolder | null }
  | { readonly content: AdapterContent };

/** The longest text of a configuration that is kept. */
const longestKept = 4096;

/** Texts of configurations that are shared: adapters of one kind of training have the same. */
const mostShared = 32;

/** Folders that the manifest does not name, by their path. They are looked at when used. */
export class FoundAdapters {
  readonly #options: FoundOptions;
  readonly #byPath = new Map<string, FoundAdapter>();
  readonly #looks = new Map<string, Promise<Look>>();
  /** The last new configurations, by their hash. */
  readonly #configs = new Map<string, KnownConfig>();
  #listed: { readonly paths: ReadonlySet<string>; readonly at: number } | null = null;
  /** The folders that were used since the last list, and are not in it. */
  readonly #unlisted = new Set<string>();

  constructor(options: FoundOptions) {
    this.#options = options;
  }

  get(path: string): FoundAdapter | undefined {
    return this.#byPath.get(path);
  }

  /** The number of folders that are known, by the last list and by use. */
  get count(): number {
    return (this.#listed?.paths.size ?? 0) + this.#unlisted.size;
  }

  /** Returns true for a folder that is known, by the last list or by use. */
  has(path: string): boolean {
    return this.#listed?.paths.has(path) || this.#unlisted.has(path);
  }

  get versions(): readonly (readonly [path: string, version: string])[] {
    return [...this.#byPath].map(([path, { version }]) => [path, version]);
  }

  /** All folders. While the place does not answer, those that it had. */
  async list(): Promise<readonly string[]> {
    const { place, clock, pollMs } = this.#options;
    if (this.#listed === null || clock.now() - this.#listed.at >= pollMs) {
      try {
        this.#listed = { paths: new Set(await place.list()), at: clock.now() };
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

  /** Returns true if it is time to look at a folder again. */
  isDue(path: string): boolean {
    const found = this.#byPath.get(path);
    return !found || this.#options.clock.now() - found.looked >= this.#options.pollMs;
  }

  /** Looks at a folder. Those who ask at the same time share the look. */
  look(path: string): Promise<Look> {
    const running = this.#looks.get(path);
    if (running) return running;
    const look = this.#look(path).finally(() => this.#looks.delete(path));
    this.#looks.set(path, look);
    return look;
  }

  /** Takes a version that has proved good. */
  accept(path: string, content: AdapterContent, method: string): void {
    const { version } = content;
    const before = this.#byPath.get(path);
    const folder = { ...content.folder, known: this.#knownConfig(content) };
    this.#byPath.set(path, { version, method, folder, looked: this.#options.clock.now() });
    this.#noteUse(path);
    if (before) this.#options.onChange();
    else this.#options.onAdded(path, version);
  }

  /** The configuration to keep with a folder; undefined where that is long. */
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

  /** Keeps the version from before for files that have proved bad, until they change. */
  keep(path: string, { folder }: AdapterContent): void {
    const found = this.#byPath.get(path);
    if (found) this.#byPath.set(path, { ...found, folder, looked: this.#options.clock.now() });
  }

  /** Has a folder read again at the next look, whatever its state. */
  expire(path: string): void {
    const found = this.#byPath.get(path);
    if (found) this.#byPath.set(path, { ...found, folder: null });
  }

  forget(path: string): void {
    this.#unlisted.delete(path);
    if (this.#byPath.delete(path)) this.#options.onChange();
  }

  async #look(path: string): Promise<Look> {
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
      if (error instanceof ServingError && error.code === "not_found") this.forget(path);
      if (!found || !isUnavailable(error)) throw error;
    }
    found.looked = clock.now();
    return { version: found.version, folder };
  }
}
