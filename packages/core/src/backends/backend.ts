import { type DType, isPacked, type PackedDType, type TypedArray, viewAs } from "../layout/dtype.ts";
import { type Shape, sizeOf } from "../layout/shape.ts";
import type { MatmulPrecision } from "../modes/matmulPrecision.ts";
import { expectSynchronous } from "../modes/synchronous.ts";
import type { Packing } from "./packedFormat.ts";
import { byteLength } from "./packing.ts";

/** A block of memory that a backend allocated. */
export interface Buffer {
  readonly bytes: number;
  /** The op whose result it holds, or "data" if no op made it. Core sets it, for errors and plans. */
  label?: string;
  /** Grows with each write into the buffer. Core sets it. */
  version?: number;
  /** The matmul precision for the frozen weight that it holds. Default: f32. */
  precision?: MatmulPrecision;
}

/** Shape and dtype of a tensor, without its data. */
export interface TensorSpec {
  readonly shape: Shape;
  readonly dtype: DType;
  /** Set for nf4 and fp4 weights only. */
  readonly packing?: Packing;
}

/** A tensor as a backend's `run` receives it: contiguous, row-major, from the start of `buffer`. */
export interface TensorRef extends TensorSpec {
  readonly buffer: Buffer;
}

/**
 * The kernel of an op that takes many constant inputs. The constants are bound to numbered slots, one group per slot; a
 * call names the slots it uses.
 */
export interface TableKernel {
  /**
   * Binds a group to a slot and prepares it for calls. The group's memory and values must not change until the next
   * `set` of the slot, unless no call uses the slot.
   */
  set(slot: number, group: readonly TensorRef[]): void;
  /** Runs the op as `Backend.run` does, on `inputs` followed by the groups in these slots. */
  run(slots: readonly number[], inputs: readonly TensorRef[], outputs: readonly TensorRef[], params: unknown): void;
}

/** A tensor as a reference kernel reads and writes it. */
export interface View extends TensorSpec {
  readonly data: TypedArray;
  readonly size: number;
}

/**
 * Returns a tensor as a view of host memory from `byteOffset` on, for reference kernels. A packed tensor is viewed as
 * bytes.
 */
export function viewOf({ shape, dtype, packing }: TensorSpec, memory: ArrayBufferLike, byteOffset: number): View {
  const size = sizeOf(shape);
  const length = isPacked(dtype) ? byteLength({ shape, dtype, packing }) : size;
  return { shape, dtype, packing, size, data: viewAs(dtype, memory, byteOffset, length) };
}

/** A value in an op's data that is not allowed, such as an index out of range. */
export interface DataFault {
  /** The position, counted as the op's `fault` documents. */
  readonly at: number;
  /** The value found there. */
  readonly value: number;
}

/** An op as a backend receives it: a unique name, under which the backend finds a kernel, and the op's meaning. */
export interface BackendOp<P> {
  /** Unique in the program. Ops defined outside this package have a prefix, as in "acme/softsign". */
  readonly name: string;
  /** The meaning of the op in plain loops. */
  readonly ref?: (inputs: View[], outputs: View[], params: P) => void;
  /** The op composed of other ops. It runs if the backend does not support the op itself. */
  readonly compose?: (...args: never[]) => unknown;
  /** Backends are expected to run the composition, so a memory plan made without a backend counts its memory. */
  readonly composed?: true;
  /** Returns the error for invalid data in the inputs, for kernels that detect it. */
  readonly fault?: (at: number, value: number, inputs: readonly TensorSpec[], params: P) => Error;
}

/**
 * A device or library that stores tensors and runs ops. It is independent of models.
 *
 * A backend may be deferred: `run`, `write`, `fill` and `free` are then only recorded, and take effect in the order of
 * the calls. Errors that depend on data are thrown by the next read or by `sync`, with the message of the op's `fault`.
 */
export interface Backend {
  readonly name: string;
  /** A readable name of the device that runs ops. Undefined for the CPU. */
  readonly adapter?: string;
  /** True for a backend that stores no data, so none needs to be created for it. */
  readonly dataless?: true;
  /**
   * The maximum number of tensors, at least 5, that `run` takes for ops over many tensors (`adamStep`, `gradNorm`,
   * `clipToNorm`, `cat`, `lowRankRows`). Default: unlimited.
   */
  readonly maxTensors?: number;
  /**
   * True if the bits of a result row do not depend on the other rows in the batch, their number, or the threads at
   * work. Servers require it.
   */
  readonly batchInvariant?: boolean;
  /** Buffer sizes are rounded up to a multiple of this many bytes. The memory planner uses it. Default 1. */
  readonly alignment?: number;
  /**
   * Loads the code that ops on weights of a packed dtype need, if it is not loaded from the start. Await it before an
   * op takes such a weight; model loaders and moves to another backend do so.
   */
  prepare?(dtype: PackedDType): Promise<void>;
  alloc(bytes: number): Buffer;
  /** Frees a buffer. Ops that were run before can still read it. */
  free(buffer: Buffer): void;
  /**
   * Copies bytes into the buffer from `offset` (default 0) on. Ops that run later read the new bytes; earlier ops read
   * the old ones.
   */
  write(buffer: Buffer, bytes: Uint8Array, offset?: number): void;
  /** Fills the whole buffer with a repeated 32-bit word, cut off at the end. */
  fill(buffer: Buffer, word: number): void;
  /**
   * Copies the bytes from `from` (default 0) up to `to` (default the end). Returns a promise if they must be copied
   * from a device.
   */
  read(buffer: Buffer, from?: number, to?: number): Uint8Array | Promise<Uint8Array>;
  /** True if `run` can execute the op on these inputs. Ops it does not support run as their composition. */
  supports<P>(op: BackendOp<P>, inputs: readonly TensorSpec[], params: P): boolean;
  /**
   * Runs an op. The caller may free the tensors and reuse the lists after the call, so read shapes and buffers from
   * them before returning.
   */
  run<P>(op: BackendOp<P>, inputs: readonly TensorRef[], outputs: readonly TensorRef[], params: P): void;
  /**
   * Returns a new kernel of an op for constants in slots. Undefined if the op lacks one; a call then passes all inputs.
   */
  bind?<P>(op: BackendOp<P>): TableKernel | undefined;
  /** Resolves once all recorded work has run, or rejects with its first error. Only deferred backends have it. */
  sync?(): Promise<void>;
}

/** Returns the error for a fault that a kernel found in the data of `op`, with the op's own message. */
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
    throw new Error(`init: ${what} is no backend; give what such a function returns, as in init(wasm())`);
  }
  current = given;
  return current;
}

/** Runs `fn` (synchronously) with `backend` as the backend on which new tensors are created. */
export function withBackend<T>(backend: Backend, fn: () => T): T {
  const before = current;
  current = backend;
  try {
    return expectSynchronous("withBackend", fn());
  } finally {
    current = before;
  }
}

/** Waits until a backend has run all work given to it. Throws the first error caused by data since the last read. */
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
