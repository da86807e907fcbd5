import type { Backend, Buffer } from "../backends/backend.ts";

let writes = 0;

/**
 * Returns how many writes in place there were so far, into any memory: the
 * clock of `Storage.version`.
 */
export function writeClock(): number {
  return writes;
}

let storagesMade = 0;

/** Returns the id that the next storage will get: those made from now on are not below it. */
export function storageClock(): number {
  return storagesMade;
}

/** Hears of the first change of memory that it was put on: a write, or that it was freed. */
export interface StorageWatcher {
  changed(): void;
}

let liveBytes = 0;
let liveStorages = 0;
let peakBytes = 0;

/**
 * Reference-counted memory on a backend: one count for each tensor and each
 * saved value that uses it.
 */
export class Storage {
  readonly backend: Backend;
  readonly buffer: Buffer;
  /** Grows with creation. */
  readonly id: number = storagesMade++;
  /**
   * The time of the last write into it by `writeClock`, 0 before any: equal
   * versions mean equal numbers.
   */
  version = 0;
  /** The name of the op that wrote last. */
  writer = "";
  /** Those who keep what they know of it until it changes. */
  #watchers: StorageWatcher[] | null = null;
  #references = 1;

  /** `maker` is the op that fills it, "data" where none does. */
  constructor(backend: Backend, bytes: number, maker: string) {
    this.backend = backend;
    this.buffer = backend.alloc(bytes);
    this.buffer.label = maker;
    liveBytes += this.buffer.bytes;
    if (!backend.dataless) liveStorages++;
    if (liveBytes > peakBytes) peakBytes = liveBytes;
  }

  /** Notes that the op `writer` has changed its numbers. */
  written(writer: string): void {
    this.version = ++writes;
    this.buffer.version = writes;
    this.writer = writer;
    this.#tell();
  }

  /** Tells a watcher of the next change. */
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

  /** True once nobody uses it: its memory may be another's. */
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

/**
 * Bytes and number of the live tensor buffers, and the most bytes that were live since `resetPeak`.
 */
export function memory(): { bytes: number; buffers: number; peakBytes: number } {
  return { bytes: liveBytes, buffers: liveStorages, peakBytes };
}

/** Starts a new measurement of `memory().peakBytes` from what is live now. */
export function resetPeak(): void {
  peakBytes = liveBytes;
}
