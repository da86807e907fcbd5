import type { FileStore } from "../jobs/fileStore.ts";
import type { JobStore } from "../jobs/jobStore.ts";
import { runFolder } from "../storage/jobKeys.ts";

/** Milliseconds for which the size of a run is cached. */
const rememberMs = 60_000;

/** Computes the bytes that an owner has in the store: files, and fine-tuning runs with their adapters. */
export class StoredBytes {
  readonly #files: FileStore;
  readonly #jobs: JobStore;
  readonly #now: () => number;
  /** Size of each file in bytes, by id. Sizes never change. */
  readonly #ofFiles = new Map<string, number>();
  readonly #ofRuns = new Map<string, { readonly bytes: number; readonly until: number }>();

  /** `now` returns milliseconds. */
  constructor(files: FileStore, jobs: JobStore, now: () => number = Date.now) {
    this.#files = files;
    this.#jobs = jobs;
    this.#now = now;
  }

  /** Returns the stored bytes of an owner. Sizes of runs are up to a minute old. */
  async of(owner: string): Promise<number> {
    const [files, jobs] = await Promise.all([this.#files.ids(owner), this.#jobs.ids(owner)]);
    const sizes = [
      ...files.map(async (id) => this.#ofFiles.get(id) ?? this.#readFile(owner, id)),
      ...jobs.map((id) => this.#ofRun(id)),
    ];
    return (await Promise.all(sizes)).reduce((sum, bytes) => sum + bytes, 0);
  }

  /** Removes the cached size of a run whose files were removed. */
  forgetRun(id: string): void {
    this.#ofRuns.delete(id);
  }

  async #readFile(owner: string, id: string): Promise<number> {
    const bytes = (await this.#files.find(owner, id))?.bytes;
    if (bytes !== undefined) this.#ofFiles.set(id, bytes);
    return bytes ?? 0;
  }

  async #ofRun(id: string): Promise<number> {
    const known = this.#ofRuns.get(id);
    if (known && known.until > this.#now()) return known.bytes;
    const found = await this.#jobs.objects.list(`${runFolder(id)}/`);
    const bytes = found.reduce((sum, { size }) => sum + size, 0);
    this.#ofRuns.set(id, { bytes, until: this.#now() + rememberMs });
    return bytes;
  }
}
