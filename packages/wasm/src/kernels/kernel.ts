import type { DataFault, OpDefinition, TensorSpec } from "@lowrank/core/backend";
import type { MatmulPrecision } from "@lowrank/core/functions";
import type { Kernels } from "./kernelTypes.gen.ts";

/** A tensor as a kernel sees it: an address in the WebAssembly memory. */
export interface WasmTensor extends TensorSpec {
  readonly ptr: number;
  readonly size: number;
  /** Its memory, of which only the backend knows more. */
  readonly block: object;
  /** The precision that a product with it may have. */
  readonly precision: MatmulPrecision;
}

/** Hands out `bytes` of scratch memory, valid until the kernel call returns. */
export interface Scratch {
  (bytes: number): number;
  /** Hands out scratch memory as words, from the address `byteOffset` on; fill it at once. */
  words(count: number): Int32Array;
  /**
   * Returns memory with the thing of that name that `make` makes of a tensor's numbers. It is kept
   * beside them until they change. 0 where `make` says false: nothing can be made of them.
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: most make something of all numbers
  kept(tensor: WasmTensor, name: string, bytes: number, make: (ptr: number) => boolean | void): number;
}

/** Inputs that a kernel knows from before: words about each of them, in slots of a table. */
export interface BoundGroups {
  readonly table: Int32Array;
  /** The slots of a call's groups, in the order of its inputs. */
  readonly slots: readonly number[];
  /** The kernel's own, from call to call, until a group changes. */
  made?: unknown;
}

/**
 * The code of one op: calls into the module, by address. `op` is the op's definition. Returns a
 * fault where it found one in the data. Where `bound` is given, the inputs end before its groups.
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

/** The words about a group of constant inputs that a kernel needs, by their places and numbers. */
export interface GroupWords<K = never> {
  readonly count: number;
  readonly of: (k: K, group: readonly WasmTensor[]) => readonly number[];
}

/** A kernel of this backend for the op of that name. */
export interface WasmKernel {
  readonly op: string;
  readonly run: KernelCode<never, never, never>;
  /** The words that it takes of groups of constants; none where it takes all inputs. */
  readonly groups?: GroupWords;
}

type DefinitionOf<O> = O extends { readonly definition: infer D } ? D : never;

/** The parameters that an op takes. */
export type ParamsOf<O> = O extends { readonly definition: OpDefinition<infer P> } ? P : never;

/**
 * Makes a kernel for the op named `op`, whose parameters have the type of `O`: `kernel<typeof
 * matmul>("matmul", ...)`. `K` are the kernels of the builds that it runs on.
 */
export function kernel<O extends { readonly definition: unknown }, K extends Kernels = Kernels>(
  op: string,
  run: KernelCode<ParamsOf<O>, DefinitionOf<O>, K>,
  more: { groups?: GroupWords<K> } = {},
): WasmKernel {
  return { op, run: run as KernelCode<never, never, never>, ...more };
}
