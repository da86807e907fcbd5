import type { DataFault, OpDefinition, TensorSpec } from "@lowrank/core/backend";
import type { MatmulPrecision } from "@lowrank/core/functions";
import type { Kernels } from "./kernelTypes.gen.ts";

/** A tensor as a kernel receives it: an address in the WebAssembly memory. */
export interface WasmTensor extends TensorSpec {
  readonly ptr: number;
  readonly size: number;
  /** Its memory block, which only the backend can interpret. */
  readonly block: object;
  /** The allowed precision of products with this tensor as a weight. */
  readonly precision: MatmulPrecision;
}

/** Allocates `bytes` of scratch memory, valid until the kernel call returns. */
export interface Scratch {
  (bytes: number): number;
  /** Allocates scratch memory as words, beginning at the address `byteOffset`; fill it at once. */
  words(count: number): Int32Array;
  /**
   * Returns the address of data that `make` derives from a tensor's elements. It is cached under `name` until the
   * elements change. Returns 0 if `make` returned false, which means that nothing can be derived.
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: most make something of all numbers
  kept(tensor: WasmTensor, name: string, bytes: number, make: (ptr: number) => boolean | void): number;
}

/** Inputs that are constant across calls: precomputed words for each of them, in slots of a table. */
export interface BoundGroups {
  readonly table: Int32Array;
  /** The slots of a call's groups, in the order of its inputs. */
  readonly slots: readonly number[];
  /** Data that the kernel keeps between calls, until a group changes. */
  made?: unknown;
}

/**
 * The code of one op: calls into the module, by address. `op` is the op's definition. Returns a fault if the data
 * contain one. With `bound`, `inputs` does not contain the inputs of its groups.
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

/** The words that a kernel precomputes for a group of constant inputs, by their addresses and values. */
export interface GroupWords<K = never> {
  readonly count: number;
  readonly of: (k: K, group: readonly WasmTensor[]) => readonly number[];
}

/** A kernel of this backend for the op named `op`. */
export interface WasmKernel {
  readonly op: string;
  readonly run: KernelCode<never, never, never>;
  /** The words that the kernel takes for groups of constants; undefined if it takes all inputs. */
  readonly groups?: GroupWords;
}

type DefinitionOf<O> = O extends { readonly definition: infer D } ? D : never;

/** The type of an op's parameters. */
export type ParamsOf<O> = O extends { readonly definition: OpDefinition<infer P> } ? P : never;

/**
 * Makes a kernel for the op named `op`, whose parameters have the type of `O`: `kernel<typeof matmul>("matmul", ...)`.
 * `K` is the type of kernels in the builds that it runs on.
 */
export function kernel<O extends { readonly definition: unknown }, K extends Kernels = Kernels>(
  op: string,
  run: KernelCode<ParamsOf<O>, DefinitionOf<O>, K>,
  more: { groups?: GroupWords<K> } = {},
): WasmKernel {
  return { op, run: run as KernelCode<never, never, never>, ...more };
}
