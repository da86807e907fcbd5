import type { Backend, Buffer } from "../backends/backend.ts";

let writes = 0;

/** Returns the number of in-place writes so far, into any memory. This is the clock of `Storage.version`. */
export function writeClock(): number {
  return writes;
}

let storagesMade = 0;

/** Returns the id that the next storage will get. All later storages have this id or a higher one. */
export function storageClock(): number {
  return storagesMade;
}

/** Is notified of the first change of a storage that it watches: a write, or the release of its memory. */
export interface StorageWatcher {
  changed(): void;
}

let liveBytes = 0;
let liveStorages = 0;
let peakBytes = 0;

/** Reference-counted memory on a backend: one reference for each tensor and each saved value that uses it. */
export class Storage {
  readonly backend: Backend;
  readonly buffer: Buffer;
  /** Grows with creation. */
  readonly id: number = storagesMade++;
  /** The value of `writeClock` at the last write, 0 before any. Equal versions mean equal contents. */
  version = 0;
  /** The name of the op that wrote last. */
  writer = "";
  /** Watchers that are notified of the next change. */
  #watchers: StorageWatcher[] | null = null;
  #references = 1;

  /** `maker` is the op that fills the memory, or "data" if no op does. */
  constructor(backend: Backend, bytes: number, maker: string) {
    this.backend = backend;
    this.buffer = backend.alloc(bytes);
    this.buffer.label = maker;
    liveBytes += this.buffer.bytes;
    if (!backend.dataless) liveStorages++;
    if (liveBytes > peakBytes) peakBytes = liveBytes;
  }

  /** Notes that the op `writer` has changed the contents. */
  written(writer: string): void {
    this.version = ++writes;
    this.buffer.version = writes;
    this.writer = writer;
    this.#tell();
  }

  /** Adds a watcher, which is notified once, at the next change. */
  watch(watcher: StorageWatcher): void {
    this.#watchers ??= [];
    this.#watchers.push(watcher);
  }

  unwatch(watcher: StorageWatcher): void {
    if (this.#watchers) this.#watchers = this.#watchers.filter((other) => other !== watcher);
  }

  #tell(): void {
    const watchers = this.#watchers;
    if (!watchers) return;
    this.#watchers = null;
    for (const watcher of watchers) watcher.changed();
  }

  /** True while more than one tensor or saved value uses it. */
  get shared(): boolean {
    return this.#references > 1;
  }

  /** True once nothing uses it. The backend may then reuse its memory. */
  get freed(): boolean {
    return this.#references === 0;
  }

  retain(): this {
    this.#references++;
    return this;
  }

  release(): void {
    if (--this.#references > 0) return;
    this.#tell();
    liveBytes -= this.buffer.bytes;
    if (!this.backend.dataless) liveStorages--;
    this.backend.free(this.buffer);
  }
}

/** Returns the bytes and the number of live tensor buffers, and the peak of live bytes since `resetPeak`. */
export function memory(): { bytes: number; buffers: number; peakBytes: number } {
  return { bytes: liveBytes, buffers: liveStorages, peakBytes };
}

/** Restarts the measurement of `memory().peakBytes` at the bytes that are live now. */
export function resetPeak(): void {
  peakBytes = liveBytes;
}
