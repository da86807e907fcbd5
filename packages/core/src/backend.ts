import { type DType, isPacked, type TypedArray, viewAs } from "./dtype.ts";
import type { Kernels } from "./kernels.gen.ts";
import type { Packing } from "./packed/packedFormat.ts";
import { byteLength } from "./packing.ts";
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

/** A tensor as a WebAssembly kernel sees it: an address in its memory. */
export interface WasmTensor extends TensorSpec {
  readonly ptr: number;
  readonly size: number;
}

/** Hands out `bytes` of scratch memory, valid until the kernel call returns. */
export type Scratch = (bytes: number) => number;

/** The kernels an op brings for each kind of backend. */
export interface OpKernels<P> {
  readonly name: string;
  readonly ref?: (inputs: View[], outputs: View[], params: P) => void;
  readonly wasm?: (k: Kernels, inputs: WasmTensor[], outputs: WasmTensor[], params: P, scratch: Scratch) => void;
}

/** Where tensors live and ops run. It never knows a model. */
export interface Backend {
  readonly name: string;
  /** It keeps no data, so none needs to be made for it. */
  readonly dataless?: true;
  alloc(bytes: number): Buffer;
  free(buffer: Buffer): void;
  write(buffer: Buffer, bytes: Uint8Array): void;
  /** The buffer's bytes, copied; a promise where they must leave a device. */
  read(buffer: Buffer): Uint8Array | Promise<Uint8Array>;
  /** Whether `run` can execute this op; ops it declines run as their composition. */
  supports(op: OpKernels<never>): boolean;
  run<P>(op: OpKernels<P>, inputs: readonly TensorRef[], outputs: readonly TensorRef[], params: P): void;
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
