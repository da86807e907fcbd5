import { type BackendOp, faultError, type TensorSpec } from "@lowrank/core/backend";
import { usage } from "../kernel/gpuFlags.ts";
import type { GpuTensor } from "../kernel/kernel.ts";
import { type Dispatch, type Shader, shader } from "../kernel/shader.ts";

/** A call of an op that may find a fault. */
interface Call {
  readonly dtype: string;
  error(at: number, value: number): Error;
}

/** The position that means no fault; all others are less. */
const none = 0x7fffffff;

/** Bytes of the buffer: the least position found by the current kernel, then op, position and value. */
export const faultBytes = 16;

/**
 * Records the value at a kernel's fault, unless an earlier op had one. A negative position is not in `values`: the
 * kernel itself has set `faults.value` then.
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
 * Faults that kernels find in the data. The first since the last read is kept on the device. A kernel writes the least
 * position; a dispatch after it records the value there.
 */
export class Faults {
  readonly buffer: GPUBuffer;
  /** The buffer's contents without a fault. */
  readonly clean: GPUBuffer;
  readonly #calls = new Map<number, Call>();
  #count = 0;

  constructor(device: GPUDevice) {
    const flags = usage.storage | usage.copyDst | usage.copySrc;
    this.buffer = device.createBuffer({ size: faultBytes, usage: flags });
    this.clean = device.createBuffer({ size: faultBytes, usage: flags });
    for (const one of [this.buffer, this.clean]) device.queue.writeBuffer(one, 0, Uint32Array.of(none, 0, 0, 0));
  }

  /** Returns the dispatch that follows a kernel of `op` which may find faults in `values`. */
  confirm<P>(op: BackendOp<P>, inputs: readonly TensorSpec[], params: P, values: GpuTensor): Dispatch {
    const specs = inputs.map(({ shape, dtype, packing }) => ({ shape, dtype, packing }));
    const kept = { ...params };
    this.#calls.set(++this.#count, {
      dtype: values.dtype,
      error: (at, value) => faultError(op, { at, value }, specs, kept),
    });
    return confirm.dispatch({ values }, { op: this.#count, size: values.size }, [1, 1, 1], values);
  }

  /** Number of calls that may have found a fault since the last read. */
  get pending(): number {
    return this.#calls.size;
  }

  /** The index of the latest call. */
  get latest(): number {
    return this.#count;
  }

  /**
   * Returns the error described by the buffer's words, if any. Also forgets the calls up to index `latest`, which the
   * words cover.
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
