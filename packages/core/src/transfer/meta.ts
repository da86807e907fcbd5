import type { Backend, Buffer, TensorSpec } from "../backends/backend.ts";
import { allocate, type Tensor } from "../engine/tensor.ts";
import { checkOptions } from "../internal/checkOptions.ts";

/** Placeholder for a buffer that a real backend would allocate. It uses no memory. */
export interface MetaBuffer extends Buffer {
  /** Number of bytes that a real backend would allocate. `bytes`, the memory that this backend uses, is 0. */
  readonly planned: number;
}

/** An allocation or a release of a buffer, as on a real backend. `freed` is true for a release. */
export interface MetaEvent {
  readonly buffer: MetaBuffer;
  readonly freed: boolean;
}

/** A backend that tracks only shapes. */
export interface MetaBackend extends Backend {
  /** All allocations and releases so far, in order. */
  readonly events: readonly MetaEvent[];
  /** Returns how many bytes a real backend would allocate for a buffer of `bytes` bytes. */
  planned(bytes: number): number;
  /** Creates a tensor without data. To get a packed tensor, pass the result to `quantize4bit`. */
  tensor(spec: TensorSpec): Tensor;
}

/** Options of `meta`. */
export interface MetaOptions {
  /**
   * A real backend to plan for. Its supported ops, maximum number of tensors per call, and alignment in bytes are used.
   * Default: an imaginary backend that has kernels for all ops except those marked `composed`.
   */
  like?: Backend;
}

/**
 * Returns a backend that stores and computes nothing, like PyTorch's meta device. Tensors have the shapes, dtypes and
 * lifetimes of a real run, so you can build a model of any size, train it for one step, and see how much memory it
 * would take.
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
