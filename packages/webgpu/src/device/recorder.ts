import { usage } from "../kernel/gpuTypes.ts";
import type { Slab } from "../kernel/pool.ts";
import type { Dispatch } from "../kernel/shader.ts";
import { bytesSeen } from "../wgsl/window.ts";
import type { Pipelines } from "./pipelines.ts";
import type { RecorderStats } from "./recorderStats.ts";

/** Maximum number of dispatches in a batch. Short batches let the device run one while the next is recorded. */
const mostDispatches = 128;
/** Bytes of the buffer for the uniforms (one 256-byte slot per dispatch) and the small host writes of a batch. */
const hostRoom = mostDispatches * 256 + 2 ** 16;
/** Maximum bytes of a host write that is recorded into the batch; larger writes submit the batch first. */
const smallWrite = 2 ** 13;
/** Maximum number of cached bind groups. */
const mostGroups = 4096;

/**
 * Records commands into batches, and submits a whole batch at a time. The uniforms and small host writes of a batch
 * share one buffer, which is filled when the batch is submitted, after the previous batch has run.
 */
export class Recorder {
  readonly stats: RecorderStats = { dispatches: 0, bytes: 0, submits: 0 };
  readonly #device: GPUDevice;
  readonly #pipelines: Pipelines;
  /**
   * The buffer in which kernels report faults (such as an index out of range). Only kernels that check their data bind
   * it.
   */
  readonly #faults: GPUBuffer;
  readonly #host: GPUBuffer;
  readonly #words = new Uint32Array(hostRoom / 4);
  readonly #align: number;
  readonly #groups = new Map<string, GPUBindGroup>();
  #encoder: GPUCommandEncoder | null = null;
  #pass: GPUComputePassEncoder | null = null;
  #batch = 0;
  #recorded = 0;
  #room = 0;

  constructor(device: GPUDevice, pipelines: Pipelines, faults: GPUBuffer) {
    this.#device = device;
    this.#pipelines = pipelines;
    this.#faults = faults;
    this.#align = device.limits.minUniformBufferOffsetAlignment;
    this.#host = device.createBuffer({ size: hostRoom, usage: usage.uniform | usage.copyDst | usage.copySrc });
  }

  /** Records a dispatch of a kernel. */
  dispatch({ shader, tensors, words, groups }: Dispatch): void {
    if (groups[0] === 0 || groups[1] === 0 || groups[2] === 0) return;
    const slabs = tensors.map(({ buffer }) => buffer.slab);
    for (const [i, write] of shader.writes.entries()) {
      if (!write || slabs.indexOf(slabs[i]) === slabs.lastIndexOf(slabs[i])) continue;
      throw new Error(
        `webgpu: the kernel "${shader.name}" writes to a buffer that is bound twice; write to a separate tensor`,
      );
    }
    const size = Math.ceil(words.byteLength / 16) * 16;
    if (this.#recorded === mostDispatches || this.#room + size > hostRoom) this.flush();
    const { pipeline, layout, layoutId } = this.#pipelines.get(shader);
    const places = tensors.map(({ buffer: { slab }, window }) => {
      return window ? `${slab.id}:${window.offset}:${window.bytes}` : slab.id;
    });
    const key = `${layoutId} ${size} ${shader.faults} ${places}`;
    let group = this.#groups.get(key);
    if (!group) {
      if (this.#groups.size === mostGroups) this.#groups.clear();
      const resources: GPUBufferBinding[] = [
        ...tensors.map(({ buffer: { slab }, window }) => ({
          buffer: slab.buffer,
          ...(window && { offset: window.offset, size: window.bytes }),
        })),
        ...(shader.faults ? [{ buffer: this.#faults }] : []),
      ];
      group = this.#device.createBindGroup({
        layout,
        entries: [
          { binding: 0, resource: { buffer: this.#host, size } },
          ...resources.map((resource, i) => ({ binding: i + 1, resource })),
        ],
      });
      this.#groups.set(key, group);
    }
    this.#words.set(words, this.#room / 4);
    const pass = this.#openPass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group, [this.#room]);
    pass.dispatchWorkgroups(...groups);
    this.#room += Math.ceil(size / this.#align) * this.#align;
    this.#recorded++;
    this.stats.dispatches++;
    for (const tensor of tensors) this.stats.bytes += bytesSeen(tensor);
    for (const slab of slabs) slab.lastBatch = this.#batch;
  }

  /** Records a copy between buffers. */
  copy(from: GPUBuffer, fromOffset: number, to: GPUBuffer, toOffset: number, bytes: number): void {
    this.#closePass();
    this.#open().copyBufferToBuffer(from, fromOffset, to, toOffset, bytes);
  }

  /**
   * Writes whole words into a buffer, in order with the recorded commands. If the current batch does not use the
   * buffer, the write is immediate. Otherwise a small write becomes a command of the batch, and a large write submits
   * the batch first.
   */
  write({ buffer, lastBatch }: Slab, bytes: Uint8Array, offset: number): void {
    if (lastBatch === this.#batch) {
      if (bytes.length <= smallWrite && this.#room + bytes.length <= hostRoom) {
        new Uint8Array(this.#words.buffer).set(bytes, this.#room);
        this.copy(this.#host, this.#room, buffer, offset, bytes.length);
        this.#room += Math.ceil(bytes.length / this.#align) * this.#align;
        return;
      }
      this.flush();
    }
    this.#device.queue.writeBuffer(buffer, offset, bytes as Uint8Array<ArrayBuffer>);
  }

  /** Submits all recorded commands to the device. */
  flush(): void {
    if (!this.#encoder) return;
    this.#closePass();
    if (this.#room > 0) this.#device.queue.writeBuffer(this.#host, 0, this.#words, 0, this.#room / 4);
    this.#device.queue.submit([this.#encoder.finish()]);
    this.#encoder = null;
    this.#batch++;
    this.#recorded = 0;
    this.#room = 0;
    this.stats.submits++;
  }

  /**
   * Prepares for destroying the buffers of `slabs`: submits the recorded commands if they use one of them, and drops
   * all cached bind groups.
   */
  beforeDestroy(slabs: readonly Slab[]): void {
    if (slabs.some(({ lastBatch }) => lastBatch === this.#batch)) this.flush();
    this.#groups.clear();
  }

  #open(): GPUCommandEncoder {
    this.#encoder ??= this.#device.createCommandEncoder();
    return this.#encoder;
  }

  #openPass(): GPUComputePassEncoder {
    this.#pass ??= this.#open().beginComputePass();
    return this.#pass;
  }

  #closePass(): void {
    this.#pass?.end();
    this.#pass = null;
  }
}
