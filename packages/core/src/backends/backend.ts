import { type DType, isPacked, type PackedDType, type TypedArray, viewAs } from "../layout/dtype.ts";
import { type Shape, sizeOf } from "../layout/shape.ts";
import { expectSynchronous } from "../modes/gradMode.ts";
import type { MatmulPrecision } from "../modes/matmulPrecision.ts";
import { byteLength, type Packing } from "./packedFormat.ts";

/** A block of memory that a backend allocated. */
export interface Buffer {
  readonly bytes: number;
  /**
   * Name of the op whose result the buffer holds, or "data" if no op computed the contents. Core sets it, for error
   * messages and memory plans.
   */
  label?: string;
  /** Increases with each write into the buffer. Core sets it. */
  version?: number;
  /**
   * Lowest precision that matrix products with the frozen weight in this buffer may use. Core sets it. Default: f32.
   */
  precision?: MatmulPrecision;
}

/** Shape and dtype of a tensor, without its data. */
export interface TensorSpec {
  readonly shape: Shape;
  readonly dtype: DType;
  /** Block layout of an nf4 or fp4 weight. Undefined for other dtypes. */
  readonly packing?: Packing;
}

/** A tensor as a backend's `run` receives it: contiguous, row-major, from the start of `buffer`. */
export interface TensorRef extends TensorSpec {
  readonly buffer: Buffer;
}

/**
 * A kernel for an op that takes many constant inputs, such as the factors of LoRA adapters. Groups of constants are
 * bound to numbered slots once; each call then lists the slots that it uses.
 */
export interface TableKernel {
  /**
   * Binds a group of constants to a slot, and prepares it for calls. The memory and values of the group must not change
   * while calls use the slot.
   */
  set(slot: number, group: readonly TensorRef[]): void;
  /** Runs the op as `Backend.run` does, on `inputs` followed by the groups in these slots. */
  run(slots: readonly number[], inputs: readonly TensorRef[], outputs: readonly TensorRef[], params: unknown): void;
}

/** A tensor in host memory, as a reference kernel reads and writes it. */
export interface View extends TensorSpec {
  readonly data: TypedArray;
  readonly size: number;
}

/** Returns a view of a tensor's elements in host memory, from `byteOffset` on. A packed tensor is viewed as bytes. */
export function viewOf({ shape, dtype, packing }: TensorSpec, memory: ArrayBufferLike, byteOffset: number): View {
  const size = sizeOf(shape);
  const length = isPacked(dtype) ? byteLength({ shape, dtype, packing }) : size;
  return { shape, dtype, packing, size, data: viewAs(dtype, memory, byteOffset, length) };
}

/** A value in an op's input that is not allowed, such as an index out of range. Kernels return it. */
export interface DataFault {
  /**
   * Index of the value, in the form that the op's `fault` function expects: usually the index in the flattened input.
   */
  readonly at: number;
  /** The invalid value. */
  readonly value: number;
}

/**
 * The part of an op's definition that backends need: its name, by which a backend finds its kernel, and ways to compute
 * it without a kernel.
 */
export interface BackendOp<P> {
  /**
   * Name of the op, which must be unique. Ops that are defined outside this package have a prefix, as in
   * "acme/softsign".
   */
  readonly name: string;
  /** Computes the op in plain loops. This defines what the op means. */
  readonly ref?: (inputs: View[], outputs: View[], params: P) => void;
  /** Computes the op from other ops. It is used if the backend does not support the op itself. */
  readonly compose?: (...args: never[]) => unknown;
  /**
   * True if most backends run `compose`, because they have no kernel for this op. A memory plan for no particular
   * backend then counts the memory of the composition.
   */
  readonly composed?: true;
  /** Returns the error to throw if a kernel has found an invalid value in the inputs. */
  readonly fault?: (at: number, value: number, inputs: readonly TensorSpec[], params: P) => Error;
}

/**
 * A device or library that stores tensors and runs ops.
 *
 * A backend may be deferred: `run`, `write`, `fill` and `free` are then only recorded, and take effect later, in the
 * order of the calls. Errors that depend on data, such as an index out of range, are thrown by the next read or by
 * `sync`, with the message that the op's `fault` returns.
 */
export interface Backend {
  readonly name: string;
  /** Readable name of the device that runs ops, such as a GPU. Undefined for the CPU. */
  readonly adapter?: string;
  /** True for a backend that stores no data, so that callers need not create any. */
  readonly dataless?: true;
  /**
   * Maximum number of tensors, at least 5, that `run` accepts for ops over many tensors (`adamStep`, `gradNorm`,
   * `clipToNorm`, `cat`, `lowRankRows`). Default: unlimited.
   */
  readonly maxTensors?: number;
  /**
   * True if a row of a result is the same, to the bit, regardless of the other rows in the batch and of the number of
   * threads. Serving requires this.
   */
  readonly batchInvariant?: boolean;
  /** The size of a buffer is a multiple of this many bytes. The memory planner uses it. Default 1. */
  readonly alignment?: number;
  /**
   * Loads the code for ops on weights of a packed dtype, if it is not loaded from the start. Await it before an op gets
   * such a weight. Model loaders, and functions that move tensors to another backend, do this.
   */
  prepare?(dtype: PackedDType): Promise<void>;
  alloc(bytes: number): Buffer;
  /** Frees a buffer. Ops that were called before still read its old contents. */
  free(buffer: Buffer): void;
  /**
   * Copies bytes into the buffer, from `offset` (default 0) on. Ops that were called before still read the old bytes.
   */
  write(buffer: Buffer, bytes: Uint8Array, offset?: number): void;
  /** Fills the whole buffer with copies of a 32-bit word. The last copy may be cut off. */
  fill(buffer: Buffer, word: number): void;
  /**
   * Copies the bytes `from` (default 0) to `to` (excluded; default: the end) out of the buffer. Returns a promise if
   * they are on a device.
   */
  read(buffer: Buffer, from?: number, to?: number): Uint8Array | Promise<Uint8Array>;
  /**
   * Returns true if `run` can execute the op on these inputs. Otherwise core runs the op's composition of other ops.
   */
  supports<P>(op: BackendOp<P>, inputs: readonly TensorSpec[], params: P): boolean;
  /**
   * Runs an op. The caller may free the tensors and reuse the lists after the call, so an implementation must read
   * shapes and buffers before it returns.
   */
  run<P>(op: BackendOp<P>, inputs: readonly TensorRef[], outputs: readonly TensorRef[], params: P): void;
  /**
   * Returns a new kernel whose constant inputs are bound to slots. Returns undefined if the backend has no such kernel
   * for the op; core then calls `run` with all inputs.
   */
  bind?<P>(op: BackendOp<P>): TableKernel | undefined;
  /** Resolves once all recorded work has run, or rejects with its first error. Only deferred backends have it. */
  sync?(): Promise<void>;
}

/** Returns the error for an invalid value that a kernel has found in the inputs of `op`. The op defines the message. */
export function faultError<P>(
  op: BackendOp<P>,
  { at, value }: DataFault,
  inputs: readonly TensorSpec[],
  params: P,
): Error {
  return op.fault?.(at, value, inputs, params) ?? new Error(`${op.name}: ${value} at position ${at} is not allowed`);
}

let current: Backend | undefined;

/** Sets the backend on which new tensors are created: `await init(wasm())`. Returns it. */
export async function init(backend: Backend | Promise<Backend>): Promise<Backend> {
  const given = await backend;
  if (typeof given?.run !== "function") {
    const what = typeof given === "function" ? `the function ${(given as { name: string }).name}` : String(given);
    throw new Error(`init: ${what} is not a backend; give a started backend, as in init(wasm())`);
  }
  current = given;
  return current;
}

/** Runs `fn` (synchronously). Tensors that it creates without naming a backend are on `backend`. */
export function withBackend<T>(backend: Backend, fn: () => T): T {
  const before = current;
  current = backend;
  try {
    return expectSynchronous("withBackend", fn());
  } finally {
    current = before;
  }
}

/**
 * Waits until a backend has finished all work. Throws the first error that depends on data, such as an index out of
 * range in a tensor of indices.
 */
export async function sync(backend: Backend = currentBackend()): Promise<void> {
  await backend.sync?.();
}

/** True once `init` has set a backend. */
export function isInitialized(): boolean {
  return current !== undefined;
}

/** Returns the backend on which new tensors are created. Throws if `init` was not called. */
export function currentBackend(): Backend {
  if (!current) {
    throw new Error(
      'no backend is chosen yet: call `await init(wasm())` with wasm from "@lowrank/wasm", or `await init(reference())`',
    );
  }
  return current;
}
