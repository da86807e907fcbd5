import type { Backend, Buffer } from "./backend.ts";

let liveBytes = 0;
let liveStorages = 0;
let peakBytes = 0;

/** Reference-counted memory on a backend: one count for each tensor and each saved value that uses it. */
export class Storage {
  readonly backend: Backend;
  readonly buffer: Buffer;
  /** Counts the ops that wrote into it, for those who keep what they made of its numbers. */
  version = 0;
  #references = 1;

  constructor(backend: Backend, bytes: number) {
    this.backend = backend;
    this.buffer = backend.alloc(bytes);
    liveBytes += this.buffer.bytes;
    if (!backend.dataless) liveStorages++;
    if (liveBytes > peakBytes) peakBytes = liveBytes;
  }

  /** Whether more than one tensor or saved value uses it. */
  get shared(): boolean {
    return this.#references > 1;
  }

  retain(): this {
    this.#references++;
    return this;
  }

  release(): void {
    if (--this.#references > 0) return;
    liveBytes -= this.buffer.bytes;
    if (!this.backend.dataless) liveStorages--;
    this.backend.free(this.buffer);
  }
}

/** Bytes and number of the live tensor buffers, and the most bytes that were live since `resetPeak`. */
export function memory(): { bytes: number; buffers: number; peakBytes: number } {
  return { bytes: liveBytes, buffers: liveStorages, peakBytes };
}

/** Starts a new measurement of `memory().peakBytes` from what is live now. */
export function resetPeak(): void {
  peakBytes = liveBytes;
}
