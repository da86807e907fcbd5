import type { Backend, Buffer, TensorSpec } from "../backends/backend.ts";
import { allocate, type Tensor } from "../engine/tensor.ts";
import { checkOptions } from "../internal/checkOptions.ts";

/** Memory that was only asked for. */
export interface MetaBuffer extends Buffer {
  /** Bytes that a real backend would hold; `bytes`, the memory of this backend, is 0. */
  readonly planned: number;
}

/** One change of the memory of a real backend: a buffer handed out, or given back. */
export interface MetaEvent {
  readonly buffer: MetaBuffer;
  readonly freed: boolean;
}

/** A backend of shapes alone. */
export interface MetaBackend extends Backend {
  /** All that was handed out and given back, in order. */
  readonly events: readonly MetaEvent[];
  /** Returns the bytes that a real backend would hold for so many. */
  planned(bytes: number): number;
  /** A tensor on it. `quantize4bit` makes packed ones of it. */
  tensor(spec: TensorSpec): Tensor;
}

/** Options of `meta`. */
export interface MetaOptions {
  /**
   * The backend to plan for: its kernels, its groups of tensors and its alignment. Default: one
   * with a kernel for every op but those that are `composed`.
   */
  like?: Backend;
}

/**
 * A backend that computes nothing and holds nothing, as PyTorch's meta device. Shapes, dtypes and
 * lifetimes of tensors are those of a real run. So a model of any size can be built and trained for
 * one step to measure the memory it would take.
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
