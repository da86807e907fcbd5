import { type DType, isPacked, type PackedDType, type TypedArray, viewAs } from "../layout/dtype.ts";
import { type Shape, sizeOf } from "../layout/shape.ts";
import type { MatmulPrecision } from "../modes/matmulPrecision.ts";
import { expectSynchronous } from "../modes/synchronous.ts";
import type { Packing } from "./packedFormat.ts";
import { byteLength } from "./packing.ts";

/** A block of memory that a backend handed out. */
export interface Buffer {
  readonly bytes: number;
  /**
   * The op whose result it holds, "data" where none made it. Core sets it, for errors and plans.
   */
  label?: string;
  /** Grows with each write into it since it was made. Core sets it. */
  version?: number;
  /** The precision of products with the frozen weight that it holds. Default: f32. */
  precision?: MatmulPrecision;
}

/** Shape and dtype of a tensor, without its data. */
export interface TensorSpec {
  readonly shape: Shape;
  readonly dtype: DType;
  /** Of nf4 and fp4 weights only. */
  readonly packing?: Packing;
}

/** A tensor as a backend's `run` receives it: contiguous, row-major, from the start of `buffer`. */
export interface TensorRef extends TensorSpec {
  readonly buffer: Buffer;
}

/**
 * The code of an op many of whose inputs are constants. These lie in slots, in groups that go
 * together into calls.
 */
export interface TableKernel {
  /**
   * Finds out about a slot's group what calls need to know. Its places in memory and its numbers
   * stay the same until the next `set` of the slot, or no call takes it.
   */
  set(slot: number, group: readonly TensorRef[]): void;
  /** Runs the op as `Backend.run` does, on `inputs` and on the groups in these slots after them. */
  run(slots: readonly number[], inputs: readonly TensorRef[], outputs: readonly TensorRef[], params: unknown): void;
}

/** A tensor as a reference kernel reads and writes it. */
export interface View extends TensorSpec {
  readonly data: TypedArray;
  readonly size: number;
}

/**
 * A tensor as reference kernels see it, in host memory from `byteOffset` on; a
 * packed one as its bytes.
 */
export function viewOf({ shape, dtype, packing }: TensorSpec, memory: ArrayBufferLike, byteOffset: number): View {
  const size = sizeOf(shape);
  const length = isPacked(dtype) ? byteLength({ shape, dtype, packing }) : size;
  return { shape, dtype, packing, size, data: viewAs(dtype, memory, byteOffset, length) };
}

/** A place in an op's data that breaks its rules, such as an index out of range. */
export interface DataFault {
  /** The position, counted as the op's `fault` documents. */
  readonly at: number;
  /** The number found there. */
  readonly value: number;
}

/**
 * An op as a backend sees it: a unique name, under which the backend finds a
 * kernel, and the meaning.
 */
export interface BackendOp<P> {
  /**
   * Unique in the program; ops from outside of this package have a prefix, as in "acme/softsign".
   */
  readonly name: string;
  /** The meaning of the op in plain loops. */
  readonly ref?: (inputs: View[], outputs: View[], params: P) => void;
  /** The op in terms of others. It runs where the backend does not support the op itself. */
  readonly compose?: (...args: never[]) => unknown;
  /** Backends are expected to run the composition: a plan without a backend counts it. */
  readonly composed?: true;
  /** Describes the error of inputs whose data break the op's rules, for kernels that find them. */
  readonly fault?: (at: number, value: number, inputs: readonly TensorSpec[], params: P) => Error;
}

/**
 * A device or library on which tensors live and ops run. It never knows a model.
 *
 * A backend may be deferred: `run`, `write`, `fill` and `free` then only record, and take effect in
 * the order of the calls. Errors that depend on data arrive at the next read, or at `sync`, in the
 * words of the op's `fault`.
 */
export interface Backend {
  readonly name: string;
  /** The name of the device that ops run on, for people. Left out where that is the processor. */
  readonly adapter?: string;
  /** It keeps no data, so none needs to be made for it. */
  readonly dataless?: true;
  /**
   * The most tensors, at least 5, that `run` takes of an op over many (`adamStep`, `gradNorm`,
   * `clipToNorm`, `cat`, `lowRankRows`). Default: any.
   */
  readonly maxTensors?: number;
  /**
   * True if the bits of a row of a result do not depend on the rows it is computed with, how
   * many they are, or the threads at work. Servers ask for it.
   */
  readonly batchInvariant?: boolean;
  /** Buffers take whole multiples of this many bytes. The planner reckons with it. Default 1. */
  readonly alignment?: number;
  /**
   * Loads what ops on weights of a packed dtype need, where that is not there from the start. To be
   * awaited before an op takes such a weight; loaders and moves to another backend do.
   */
  prepare?(dtype: PackedDType): Promise<void>;
  alloc(bytes: number): Buffer;
  /** Gives memory back. Ops that were run before still see it. */
  free(buffer: Buffer): void;
  /**
   * Writes bytes from `offset` (default 0) on; they are copied. Ops that are run later see
   * them, earlier ones do not.
   */
  write(buffer: Buffer, bytes: Uint8Array, offset?: number): void;
  /** Repeats a 32-bit word over the whole buffer, cut off at its end. */
  fill(buffer: Buffer, word: number): void;
  /**
   * Copies the bytes `from` (default 0) to `to` (default the end); a promise where
   * they must leave a device.
   */
  read(buffer: Buffer, from?: number, to?: number): Uint8Array | Promise<Uint8Array>;
  /**
   * True where `run` can execute the op on such inputs; ops that it declines
   * run as their composition.
   */
  supports<P>(op: BackendOp<P>, inputs: readonly TensorSpec[], params: P): boolean;
  /**
   * Runs an op. The tensors may be freed after the call, and the lists be used for another, so
   * take shapes and buffers from them at once.
   */
  run<P>(op: BackendOp<P>, inputs: readonly TensorRef[], outputs: readonly TensorRef[], params: P): void;
  /** Returns new code of an op for constants in slots, where it has such. Others get all inputs. */
  bind?<P>(op: BackendOp<P>): TableKernel | undefined;
  /**
   * Resolves once all that was recorded has run, or rejects with its first error.
   * Deferred backends have it.
   */
  sync?(): Promise<void>;
}

/** Returns the error of a fault that a kernel found in the data of `op`, in the op's own words. */
export function faultError<P>(
  op: BackendOp<P>,
  { at, value }: DataFault,
  inputs: readonly TensorSpec[],
  params: P,
): Error {
  return op.fault?.(at, value, inputs, params) ?? new Error(`${op.name}: ${value} at position ${at} is not allowed`);
}

let current: Backend | undefined;

/** Makes `backend` the one on which new tensors are created: `await init(wasm())`. Returns it. */
export async function init(backend: Backend | Promise<Backend>): Promise<Backend> {
  const given = await backend;
  if (typeof given?.run !== "function") {
    const what = typeof given === "function" ? `the function ${(given as { name: string }).name}` : String(given);
    throw new Error(`init: ${what} is no backend; give what such a function returns, as in init(wasm())`);
  }
  current = given;
  return current;
}

/** Runs `fn` (synchronously) with `backend` as the one on which new tensors are created. */
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
 * Waits until a backend has run all that was asked of it. Throws the first error that the data
 * caused since the last read.
 */
export async function sync(backend: Backend = currentBackend()): Promise<void> {
  await backend.sync?.();
}

/** True once `init` has chosen a backend. */
export function isInitialized(): boolean {
  return current !== undefined;
}

/** The backend on which new tensors are created. */
export function currentBackend(): Backend {
  if (!current) {
    throw new Error(
      'no backend is chosen yet: call `await init(wasm())` with wasm from "@lowrank/wasm", or `await init(reference())`',
    );
  }
  return current;
}
