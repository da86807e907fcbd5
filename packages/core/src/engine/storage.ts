import type { Backend, Buffer } from "../backends/backend.ts";

let writes = 0;

/** Returns the number of in-place writes so far, to any memory. `Storage.version` is a value of this counter. */
export function writeClock(): number {
  return writes;
}

let storagesMade = 0;

/** Returns the id that the next storage will get. Ids increase. */
export function storageClock(): number {
  return storagesMade;
}

/** An observer of a storage. `changed` is called once: at the storage's next write or when its memory is released. */
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
  /** Number of storages created before this one. */
  readonly id: number = storagesMade++;
  /** Value of `writeClock` at the last write; 0 if there was none. Equal versions mean equal contents. */
  version = 0;
  /** Name of the op that wrote last. */
  writer = "";
  /** Observers to call when the contents change or the memory is released. */
  #watchers: StorageWatcher[] | null = null;
  #references = 1;

  /** `maker` is the name of the op whose result the memory holds, or "data" if no op computes the contents. */
  constructor(backend: Backend, bytes: number, maker: string) {
    this.backend = backend;
    this.buffer = backend.alloc(bytes);
    this.buffer.label = maker;
    liveBytes += this.buffer.bytes;
    if (!backend.dataless) liveStorages++;
    if (liveBytes > peakBytes) peakBytes = liveBytes;
  }

  /** Records that the op `writer` has changed the contents. */
  written(writer: string): void {
    this.version = ++writes;
    this.buffer.version = writes;
    this.writer = writer;
    this.#tell();
  }

  /** Adds an observer, which is called once, at the next change. */
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

  /** True if more than one tensor or saved value uses the memory. */
  get shared(): boolean {
    return this.#references > 1;
  }

  /** True if no tensor or saved value uses the memory any more, so that the backend may reuse it. */
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

/** Returns the total bytes and the number of live tensor buffers, and the largest total since the last `resetPeak`. */
export function memory(): { bytes: number; buffers: number; peakBytes: number } {
  return { bytes: liveBytes, buffers: liveStorages, peakBytes };
}

/** Sets `memory().peakBytes` back to the bytes that are live now. */
export function resetPeak(): void {
  peakBytes = liveBytes;
}
