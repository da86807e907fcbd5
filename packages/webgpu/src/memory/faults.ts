import { type BackendOp, faultError, type TensorSpec } from "@lowrank/core/backend";
import { usage } from "../kernel/gpuTypes.ts";
import type { GpuTensor } from "../kernel/kernel.ts";
import type { PoolStats } from "../kernel/pool.ts";
import { type Dispatch, type Shader, shader } from "../kernel/shader.ts";

/** A recorded call whose kernel checks its data, kept to create the error for a fault. */
interface Call {
  readonly dtype: string;
  error(at: number, value: number): Error;
}

/** Position that means "no fault". Real positions are lower. */
const none = 0x7fffffff;

/**
 * Size in bytes of the fault buffer. The first of its four words is the lowest faulty position that the current kernel
 * has found. The others are the call number, the position and the value of the first fault.
 */
export const faultBytes = 16;

/**
 * Kernel that runs after each kernel that checks its data. Does nothing if the checking kernel found no fault, or if an
 * earlier call's fault is already stored. Otherwise stores the call's number, the fault's position, and the faulty
 * value from `values`. If the position is negative, the checking kernel has already stored the value.
 */
const confirm: Shader<"values", "op" | "size"> = shader({
  name: "fault",
  bindings: { values: "read u32" },
  uniforms: { op: "u32", size: "u32" },
  faults: true,
  code: `@compute @workgroup_size(1)
fn main() {
  let at = atomicExchange(&faults.at, ${none});
  if (at == ${none} || faults.op != 0u) { return; }
  faults.op = u.op;
  faults.position = at;
  if (at < 0) { return; }
  faults.value = 0u;
  if (u32(at) < u.size) { faults.value = values[at]; }
}`,
});

/**
 * Collects invalid data (faults) that kernels find, such as an index out of range. A kernel writes the lowest faulty
 * position to `buffer`. The dispatch of `confirm`, which follows it, adds the faulty value. `buffer` keeps the first
 * fault since the last read.
 */
export class Faults {
  readonly buffer: GPUBuffer;
  /** A buffer whose contents always mean "no fault". They are copied to `buffer` to reset it. */
  readonly clean: GPUBuffer;
  readonly #calls = new Map<number, Call>();
  #count = 0;

  constructor(device: GPUDevice) {
    const flags = usage.storage | usage.copyDst | usage.copySrc;
    this.buffer = device.createBuffer({ size: faultBytes, usage: flags });
    this.clean = device.createBuffer({ size: faultBytes, usage: flags });
    for (const one of [this.buffer, this.clean]) device.queue.writeBuffer(one, 0, Uint32Array.of(none, 0, 0, 0));
  }

  /**
   * Returns the dispatch to run after a kernel of `op` that checks the data in `values`. If the kernel found a fault,
   * the dispatch stores it in `buffer`.
   */
  confirm<P>(op: BackendOp<P>, inputs: readonly TensorSpec[], params: P, values: GpuTensor): Dispatch {
    const specs = inputs.map(({ shape, dtype, packing }) => ({ shape, dtype, packing }));
    const kept = { ...params };
    this.#calls.set(++this.#count, {
      dtype: values.dtype,
      error: (at, value) => faultError(op, { at, value }, specs, kept),
    });
    return confirm.dispatch({ values }, { op: this.#count, size: values.size }, [1, 1, 1], values);
  }

  /** Number of calls that checked data since the last read of the faults. */
  get pending(): number {
    return this.#calls.size;
  }

  /** Number of the latest call that checked data. */
  get latest(): number {
    return this.#count;
  }

  /**
   * Returns the error for the fault in `words`, a copy of `buffer`, or undefined if there is no fault. Also forgets all
   * calls up to the call number `latest`, because the copy includes their faults.
   */
  errorOf(words: Uint32Array, latest: number): Error | undefined {
    const [, op, position, value] = words;
    const call = this.#calls.get(op);
    for (const number of this.#calls.keys()) if (number <= latest) this.#calls.delete(number);
    if (!call) return undefined;
    const bits = Uint32Array.of(value).buffer;
    const number = call.dtype === "f32" ? new Float32Array(bits)[0] : new Int32Array(bits)[0];
    return call.error(position | 0, number);
  }
}

/**
 * Collects errors that the device reports asynchronously (lost device, out of memory, a rejected command), for the next
 * read to throw.
 */
export class LateErrors {
  readonly #errors: Error[] = [];
  /** Errors of rejected commands. They are reported last, since they often follow from another error. */
  readonly #refused: Error[] = [];
  readonly #waiting = new Set<Promise<void>>();
  #lost: GPUDeviceLostInfo | null = null;

  constructor(device: GPUDevice) {
    device.lost.then((info) => {
      this.#lost = info;
    });
    device.onuncapturederror = (event) => {
      event.preventDefault?.();
      this.#refused.push(new Error(`webgpu: the device refused a command: ${event.error.message}`));
    };
  }

  /** Keeps an error, so that the next read throws it. */
  keep(error: Error): void {
    this.#errors.push(error);
  }

  /** Keeps the error with which the promise resolves, if it is not null. */
  watch(found: Promise<Error | null>): void {
    const done = found.then(
      (error) => {
        if (error) this.#errors.push(error);
      },
      // The promise rejects if the device is lost, which the next read reports.
      () => {},
    );
    this.#waiting.add(done);
    done.then(() => this.#waiting.delete(done));
  }

  /**
   * Keeps an error, for the next read to throw, if a new buffer of `bytes` bytes could not be allocated. `scope` is the
   * result of the WebGPU error scope in which the buffer was created: an error or null.
   */
  watchMemory(scope: Promise<GPUError | null>, bytes: number, stats: () => PoolStats): void {
    const { used, free } = stats();
    const room = `${used} bytes are in use and ${free} kept for reuse`;
    const advice = "free tensors, use smaller batches, or a smaller model";
    this.watch(
      scope.then((error) => {
        return (
          error && new Error(`webgpu: the device has no memory for a buffer of ${bytes} bytes; ${room}; ${advice}`)
        );
      }),
    );
  }

  /** Returns the first error since the last call; undefined if there was none. */
  async take(): Promise<Error | undefined> {
    await Promise.all(this.#waiting);
    const [error] = [...this.#errors.splice(0), ...this.#refused.splice(0)];
    return error;
  }

  /**
   * Returns the error to throw for a failed read: the loss of the device if it was lost, otherwise an earlier error if
   * there is one, otherwise `cause`.
   */
  async ofFailedRead(cause: unknown): Promise<Error> {
    const earlier = await this.take();
    // WebGPU reports a lost device shortly after the reads that fail because of it.
    for (let turn = 0; turn < 10 && !this.#lost; turn++) await new Promise((resolve) => setTimeout(resolve, turn));
    if (!this.#lost) return earlier ?? new Error(`webgpu: the read failed: ${cause}`, { cause });
    const { reason, message } = this.#lost;
    const why = [reason === "destroyed" ? "it was destroyed" : "the driver gave up", message]
      .filter(Boolean)
      .join(": ");
    return new Error(
      `webgpu: the device is lost (${why}); its tensors are lost: call init(webgpu()) again and load them again`,
      { cause: earlier ?? cause },
    );
  }
}
