import {
  type DataFault,
  type DType,
  dtypes,
  formatOf,
  isPacked,
  type OpDefinition,
  type TensorSpec,
} from "@lowrank/core/backend";
import type { MatmulPrecision } from "@lowrank/core/functions";
import type { Kernels } from "./kernelTypes.gen.ts";

/** A tensor as a kernel receives it: an address in the WebAssembly memory. */
export interface WasmTensor extends TensorSpec {
  readonly ptr: number;
  readonly size: number;
  /** The heap block that holds the tensor's data. Only the backend may use it. */
  readonly block: object;
  /** Lowest precision that products with this tensor as a weight may use. */
  readonly precision: MatmulPrecision;
}

/** Allocates `bytes` of scratch memory, valid until the kernel call returns. */
export interface Scratch {
  (bytes: number): number;
  /**
   * Allocates `count` 32-bit words of scratch memory. Their address is the array's `byteOffset`. Fill the array before
   * the next allocation.
   */
  words(count: number): Int32Array;
  /**
   * Returns the address of data that `make` computes from a tensor, such as rounded codes. The data is cached under
   * `name` until the tensor's elements change. Returns 0 if `make` returned false: no such data exists for this tensor.
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: most make something of all numbers
  kept(tensor: WasmTensor, name: string, bytes: number, make: (ptr: number) => boolean | void): number;
}

/**
 * Constant inputs of an op, such as the factors A and B of adapters, prepared for fast calls. `table` holds precomputed
 * 32-bit words for each group of inputs (such as one adapter's A and B).
 */
export interface BoundGroups {
  readonly table: Int32Array;
  /** Indices of the groups in `table` that this call uses, in the order of the op's inputs. */
  readonly slots: readonly number[];
  /** Data that the kernel caches between calls. It is discarded if a group changes. */
  made?: unknown;
}

/**
 * Runs one op by calling functions of the WebAssembly module `k` with the tensors' addresses. `op` is the op's
 * definition. Returns a fault if an input has an invalid value, such as an index out of range. If `bound` is given, it
 * replaces the constant inputs, and `inputs` contains only the other inputs.
 */
export type KernelCode<P, D = unknown, K = Kernels> = (
  k: K,
  inputs: WasmTensor[],
  outputs: WasmTensor[],
  params: P,
  scratch: Scratch,
  op: D,
  bound: BoundGroups | undefined,
  // biome-ignore lint/suspicious/noConfusingVoidType: most kernels return nothing at all
) => DataFault | undefined | void;

/**
 * Computes the `count` 32-bit words that a kernel needs for a group of constant inputs, such as their addresses and
 * sizes.
 */
export interface GroupWords<K = never> {
  readonly count: number;
  readonly of: (k: K, group: readonly WasmTensor[]) => readonly number[];
}

/** A kernel of the wasm backend that runs the op named `op`. */
export interface WasmKernel {
  readonly op: string;
  readonly run: KernelCode<never, never, never>;
  /** Prepares groups of constant inputs. Undefined if the kernel does not support that. */
  readonly groups?: GroupWords;
}

type DefinitionOf<O> = O extends { readonly definition: infer D } ? D : never;

/** The type of the parameters of the op with the type `O`. */
export type ParamsOf<O> = O extends { readonly definition: OpDefinition<infer P> } ? P : never;

/**
 * Makes a kernel for the op named `op`; `O` is the type of the op, as in `kernel<typeof matmul>("matmul", ...)`. `K` is
 * the type of the WebAssembly exports that the kernel needs.
 */
export function kernel<O extends { readonly definition: unknown }, K extends Kernels = Kernels>(
  op: string,
  run: KernelCode<ParamsOf<O>, DefinitionOf<O>, K>,
  more: { groups?: GroupWords<K> } = {},
): WasmKernel {
  return { op, run: run as KernelCode<never, never, never>, ...more };
}

/** Returns the number by which the WebAssembly kernels identify a dtype: its index in core's list `dtypes`. */
export function dtypeNumber({ dtype }: TensorSpec): number {
  return dtypes.indexOf(dtype);
}

/** Returns the number of bits per element if a weight dtype stores integer codes, otherwise 0. */
export function codeBits(dtype: DType): number {
  return (isPacked(dtype) && formatOf(dtype).integerBits) || 0;
}

const float = new Float32Array(1);
const bits = new Int32Array(float.buffer);

/** Returns the 32-bit pattern of an f32 or i32 value, for kernels that copy elements without computing. */
export function bitsOf(value: number, dtype: DType): number {
  if (dtype === "i32") return value;
  float[0] = value;
  return bits[0];
}
