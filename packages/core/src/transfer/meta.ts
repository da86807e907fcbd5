import type { Backend, Buffer, TensorSpec } from "../backends/backend.ts";
import { allocate, type Tensor } from "../engine/tensor.ts";
import { checkOptions } from "../internal/checkOptions.ts";

/** A buffer that was requested but not allocated. */
export interface MetaBuffer extends Buffer {
  /** Bytes that a real backend would allocate; `bytes`, the memory of this backend, is 0. */
  readonly planned: number;
}

/** A change of the memory of a real backend: a buffer allocated or freed. */
export interface MetaEvent {
  readonly buffer: MetaBuffer;
  readonly freed: boolean;
}

/** A backend that tracks only shapes. */
export interface MetaBackend extends Backend {
  /** All allocations and frees, in order. */
  readonly events: readonly MetaEvent[];
  /** Returns the bytes that a real backend would allocate for a request of `bytes`. */
  planned(bytes: number): number;
  /** Creates a tensor on this backend. `quantize4bit` creates packed tensors from it. */
  tensor(spec: TensorSpec): Tensor;
}

/** Options of `meta`. */
export interface MetaOptions {
  /**
   * The backend to plan for: its kernels, its limit of tensors per call and its alignment. Default: a backend with a
   * kernel for every op except those marked `composed`.
   */
  like?: Backend;
}

/**
 * Returns a backend that computes and stores nothing, as PyTorch's meta device. Tensors have the shapes, dtypes and
 * lifetimes of a real run. So a model of any size can be built and trained for one step to measure the memory it would
 * take.
 */
export function meta(options: MetaOptions = {}): MetaBackend {
  checkOptions("meta", options, { like: true });
  const { like } = options;
  const { maxTensors, alignment = 1 } = like ?? {};
  const events: MetaEvent[] = [];
  const backend: MetaBackend = {
    name: "meta",
    dataless: true,
    maxTensors,
    alignment,
    events,
    planned: (bytes) => Math.ceil(bytes / alignment) * alignment,
    tensor: (spec) => allocate(spec, backend),
    alloc: (bytes): MetaBuffer => {
      const buffer = { bytes: 0, planned: backend.planned(bytes) };
      events.push({ buffer, freed: false });
      return buffer;
    },
    free: (buffer) => {
      events.push({ buffer: buffer as MetaBuffer, freed: true });
    },
    write: () => {},
    fill: () => {},
    read: () => {
      throw new Error("meta: tensors of this backend have shapes and no data; compute on wasm() or reference()");
    },
    supports: (op, inputs, params) => like?.supports(op, inputs, params) ?? !op.composed,
    run: () => {},
  };
  return backend;
}
