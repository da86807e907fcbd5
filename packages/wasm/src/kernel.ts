import type { BoundInputs, DataFault, OpDefinition, TensorSpec } from "@lowrank/core/backend";
import type { Kernels } from "./kernelTypes.gen.ts";

/** A tensor as a kernel sees it: an address in the WebAssembly memory. */
export interface WasmTensor extends TensorSpec {
  readonly ptr: number;
  readonly size: number;
}

/** Hands out `bytes` of scratch memory, valid until the kernel call returns. */
export interface Scratch {
  (bytes: number): number;
  /** Hands out scratch memory that holds these numbers. */
  of(numbers: Int32Array): number;
}

/**
 * The code of one op: calls into the module, by address. `op` is the op's definition. Returns a
 * fault where it found one in the data. `bound` names inputs that are the same at every call
 * with it.
 */
export type KernelCode<P, D = unknown, K = Kernels> = (
  k: K,
  inputs: WasmTensor[],
  outputs: WasmTensor[],
  params: P,
  scratch: Scratch,
  op: D,
  bound: BoundInputs | undefined,
  // biome-ignore lint/suspicious/noConfusingVoidType: most kernels return nothing at all
) => DataFault | undefined | void;

/** A kernel of this backend for the op of that name. */
export interface WasmKernel {
  readonly op: string;
  readonly run: KernelCode<never, never, never>;
  /**
   * Returns what the kernel needs to know of a group of inputs that are bound, by their places and
   * numbers. It then finds that in `bound.groups[i].found`, and its inputs end before them.
   */
  readonly ofGroup?: (k: never, group: readonly WasmTensor[]) => unknown;
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
  more: { ofGroup?: (k: K, group: readonly WasmTensor[]) => unknown } = {},
): WasmKernel {
  return { op, run: run as KernelCode<never, never, never>, ...more };
}
