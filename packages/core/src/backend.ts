import { type DType, isPacked, type TypedArray, viewAs } from "./dtype.ts";
import { byteLength, type Packing } from "./packing.ts";
import { type Shape, sizeOf } from "./shape.ts";

/** A block of memory that a backend handed out. */
export interface Buffer {
  readonly bytes: number;
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

/** A tensor as a reference kernel reads and writes it. */
export interface View extends TensorSpec {
  readonly data: TypedArray;
  readonly size: number;
}

/** A tensor as reference kernels see it, in host memory from `byteOffset` on; a packed one as its bytes. */
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

/** An op as a backend sees it: a unique name, under which the backend finds a kernel, and the meaning. */
export interface BackendOp<P> {
  /** Unique in the program; ops from outside of this package have a prefix, as in "acme/softsign". */
  readonly name: string;
  /** The meaning of the op in plain loops. */
  readonly ref?: (inputs: View[], outputs: View[], params: P) => void;
  /** The op in terms of others. It runs where the backend does not support the op itself. */
  readonly compose?: (...args: never[]) => unknown;
  /** Describes the error of inputs whose data break the op's rules, for kernels that find them. */
  readonly fault?: (at: number, value: number, inputs: readonly TensorSpec[], params: P) => Error;
}

/** A device or library on which tensors live and ops run. It never knows a model. */
export interface Backend {
  readonly name: string;
  /** It keeps no data, so none needs to be made for it. */
  readonly dataless?: true;
  alloc(bytes: number): Buffer;
  free(buffer: Buffer): void;
  write(buffer: Buffer, bytes: Uint8Array): void;
  /** The buffer's bytes, copied; a promise where they must leave a device. */
  read(buffer: Buffer): Uint8Array | Promise<Uint8Array>;
  /** True where `run` can execute the op on such inputs; ops that it declines run as their composition. */
  supports<P>(op: BackendOp<P>, inputs: readonly TensorSpec[], params: P): boolean;
  run<P>(op: BackendOp<P>, inputs: readonly TensorRef[], outputs: readonly TensorRef[], params: P): void;
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
  current = await backend;
  return current;
}

/** Runs `fn` (synchronously) with `backend` as the one on which new tensors are created. */
export function withBackend<T>(backend: Backend, fn: () => T): T {
  const before = current;
  current = backend;
  try {
    return fn();
  } finally {
    current = before;
  }
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
