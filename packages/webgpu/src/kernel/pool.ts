import type { Buffer } from "@lowrank/core/backend";
import type { DeviceBuffer } from "./gpuTypes.ts";

/** A buffer on the device. It stores one block at a time, and is reused after the block is freed. */
export interface Slab {
  readonly id: number;
  readonly buffer: DeviceBuffer;
  readonly bytes: number;
  /** The index of the last command batch that uses this buffer. */
  lastBatch: number;
}

/** A block of memory that the backend handed out. */
export interface GpuBlock extends Buffer {
  readonly slab: Slab;
  freed: boolean;
}

/** The backend's memory on the device: sizes in bytes, and the number of buffers. */
export interface PoolStats {
  /** Bytes of the buffers in use. A buffer's size is rounded up to a size class. */
  used: number;
  /** Bytes of unused buffers that are kept for later blocks. */
  free: number;
  /** Bytes of the largest unused buffer. */
  largestFree: number;
  /** Bytes of all buffers: `used` plus `free`. */
  length: number;
  /** Number of buffers on the device. */
  buffers: number;
}

/** The functions and limits of the device that the pool uses. */
export interface PoolDevice {
  /** Creates a buffer; `bytes` is a multiple of 4. */
  create(bytes: number): DeviceBuffer;
  /** Called before buffers are destroyed, since recorded commands may still use them. */
  beforeDestroy(slabs: readonly Slab[]): void;
  readonly maxBufferSize: number;
  /** Maximum bytes of one buffer that a kernel can bind. */
  readonly maxBinding: number;
}

const smallest = 256;
/** Unused memory of up to this many bytes (64 MiB) is kept for reuse, and not freed. */
const kept = 64 * 2 ** 20;

/**
 * Rounds a size in bytes up to a size class. There are four size classes between two powers of two, so that at most a
 * fifth of a buffer is unused.
 */
function classOf(bytes: number): number {
  if (bytes <= smallest) return smallest;
  const step = 2 ** Math.max(Math.floor(Math.log2(bytes)) - 2, 6);
  return Math.ceil(bytes / step) * step;
}

/**
 * Hands out buffers by size class, and keeps returned ones for reuse. A returned buffer can be handed out again at
 * once, even if recorded commands still use it, because commands run in order. Only writes by the host must wait.
 */
export class Pool {
  readonly #device: PoolDevice;
  readonly #free = new Map<number, Slab[]>();
  #used = 0;
  #freeBytes = 0;
  #buffers = 0;
  #made = 0;
  #peak = 0;

  constructor(device: PoolDevice) {
    this.#device = device;
  }

  /** Allocates a block. Throws if `bytes` exceeds the device's largest buffer. */
  alloc(bytes: number): GpuBlock {
    const { maxBufferSize, maxBinding } = this.#device;
    if (bytes > maxBufferSize) {
      throw new Error(
        `webgpu: a tensor of ${bytes} bytes is larger than any buffer of this device (${maxBufferSize} bytes); split it`,
      );
    }
    let size = Math.min(classOf(bytes), maxBufferSize);
    if (bytes <= maxBinding) size = Math.min(size, maxBinding);
    const slab = this.#free.get(size)?.pop();
    if (slab) this.#freeBytes -= size;
    this.#used += size;
    this.#peak = Math.max(this.#peak, this.#used);
    return { bytes, slab: slab ?? this.#make(size), freed: false };
  }

  /** Frees a block; its buffer is kept for reuse. */
  free(block: GpuBlock): void {
    const { slab } = block;
    block.freed = true;
    this.#used -= slab.bytes;
    this.#freeBytes += slab.bytes;
    const list = this.#free.get(slab.bytes);
    if (list) list.push(slab);
    else this.#free.set(slab.bytes, [slab]);
    if (this.#freeBytes > Math.max(kept, this.#peak)) this.trim(this.#peak / 2);
  }

  /** Destroys free buffers, the largest first, until at most `most` bytes of them are left. */
  trim(most: number): void {
    const slabs: Slab[] = [];
    for (const size of [...this.#free.keys()].sort((a, b) => b - a)) {
      const list = this.#free.get(size) as Slab[];
      while (this.#freeBytes > most && list.length > 0) {
        slabs.push(list.shift() as Slab);
        this.#freeBytes -= size;
      }
      if (list.length === 0) this.#free.delete(size);
    }
    if (slabs.length === 0) return;
    this.#device.beforeDestroy(slabs);
    for (const { buffer } of slabs) buffer.destroy();
    this.#buffers -= slabs.length;
    this.#peak = this.#used;
  }

  stats(): PoolStats {
    const [largestFree = 0] = [...this.#free]
      .flatMap(([size, { length }]) => (length > 0 ? [size] : []))
      .sort((a, b) => b - a);
    const [used, free] = [this.#used, this.#freeBytes];
    return { used, free, largestFree, length: used + free, buffers: this.#buffers };
  }

  #make(bytes: number): Slab {
    this.#buffers++;
    return { id: this.#made++, buffer: this.#device.create(bytes), bytes, lastBatch: -1 };
  }
}
