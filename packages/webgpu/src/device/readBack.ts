import { mapRead, usage } from "../kernel/gpuTypes.ts";

/**
 * Maximum bytes of a staging buffer that is kept for reuse. Larger buffers would occupy too much memory while unused.
 */
const large = 2 ** 24;

/** Staging buffers for copies from the device to the host, kept by size for reuse. */
export class ReadBack {
  readonly #device: GPUDevice;
  readonly #free = new Map<number, GPUBuffer[]>();

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** Returns a buffer of at least `bytes` to copy into. */
  take(bytes: number): GPUBuffer {
    const size = bytes > large ? Math.ceil(bytes / 4) * 4 : 2 ** Math.max(8, Math.ceil(Math.log2(bytes)));
    return this.#free.get(size)?.pop() ?? this.#device.createBuffer({ size, usage: usage.mapRead | usage.copyDst });
  }

  /** Waits until the device has filled the buffer's first `bytes`, returns a copy of them, and recycles the buffer. */
  async read(buffer: GPUBuffer, bytes: number): Promise<Uint8Array<ArrayBuffer>> {
    await buffer.mapAsync(mapRead, 0, bytes);
    const copied = new Uint8Array(buffer.getMappedRange(0, bytes)).slice();
    buffer.unmap();
    const list = this.#free.get(buffer.size);
    if (buffer.size > large || (list?.length ?? 0) > 4) buffer.destroy();
    else if (list) list.push(buffer);
    else this.#free.set(buffer.size, [buffer]);
    return copied;
  }
}
