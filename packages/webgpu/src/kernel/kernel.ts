import type { OpDefinition, TensorSpec } from "@lowrank/core/backend";
import { checkOptions } from "@lowrank/core/internal";
import type { Limits } from "./gpuTypes.ts";
import type { GpuBlock } from "./pool.ts";
import type { Dispatch } from "./shader.ts";
import type { SplitOf } from "./split.ts";
import type { TileName } from "./tiles.ts";

/** A contiguous tensor in a buffer on the device, as kernels receive it. */
export interface GpuTensor extends TensorSpec {
  readonly buffer: GpuBlock;
  readonly size: number;
  /** The byte range of the buffer that the kernel binds. Default: the whole buffer. */
  readonly window?: { readonly offset: number; readonly bytes: number };
}

/** Properties of the device by which kernels choose among their variants. */
export interface GpuFacts {
  readonly limits: Limits;
  readonly features: ReadonlySet<string>;
  /** True if the device runs on the CPU; its matrix products then use fixed tiles. */
  readonly software: boolean;
  /** True if a row's sums must be added in the same order regardless of the number of rows. */
  readonly batchInvariant: boolean;
  /** The tile (block of results per workgroup) for large matrix products on this device. */
  readonly tile: TileName;
}

/** The device as a kernel receives it: its properties, and a function that allocates scratch memory. */
export interface Gpu extends GpuFacts {
  /** Allocates a temporary tensor for the kernel's commands. The backend frees it. */
  scratch(spec: TensorSpec): GpuTensor;
}

/** The code of a kernel: returns the dispatches that compute the op, in order. `op` is the op's definition. */
export type KernelCode<P, D = unknown> = (
  inputs: GpuTensor[],
  outputs: GpuTensor[],
  params: P,
  gpu: Gpu,
  op: D,
) => readonly Dispatch[];

/** Returns true if a kernel supports these inputs and parameters on this device. */
export type KernelTest<P> = (inputs: readonly TensorSpec[], params: P, gpu: GpuFacts) => boolean;

/** Optional properties of a kernel in addition to its code. */
export interface KernelFacts<P> {
  /** Returns true for calls that the kernel supports; other calls run the op's composition. Default: all calls. */
  readonly supports?: KernelTest<P>;
  /**
   * Makes a small call, on which `warmUp` compares the kernel with the op's reference. Default: the kernel is not
   * checked.
   */
  readonly example?: ExampleOf<P>;
  /**
   * Returns how to cut a call into smaller ones if one of its tensors is larger than the device can bind. Default: such
   * a call throws. A kernel whose code itself binds its tensors in parts does not need this function.
   */
  readonly split?: SplitOf<P>;
}

/** A kernel of this backend for the op named `op`. */
export interface WebGpuKernel extends KernelFacts<never> {
  readonly op: string;
  readonly run: KernelCode<never, never>;
}

type DefinitionOf<O> = O extends { readonly definition: infer D } ? D : never;

/** The type of an op's parameters. */
type ParamsOf<O> = O extends { readonly definition: OpDefinition<infer P> } ? P : never;

/**
 * Makes a kernel for the op named `op`, whose parameters have the type of `O`: `kernel<typeof matmul>("matmul", ...)`.
 */
export function kernel<O extends { readonly definition: unknown }>(
  op: string,
  run: KernelCode<ParamsOf<O>, DefinitionOf<O>>,
  facts: KernelFacts<ParamsOf<O>> = {},
): WebGpuKernel {
  checkOptions("kernel", facts, { supports: true, example: true, split: true });
  return { ...(facts as unknown as KernelFacts<never>), op, run: run as KernelCode<never, never> };
}

/** An input tensor of an example call. By default its values are random and of moderate size. */
export interface ExampleInput extends TensorSpec {
  /** True to draw values from 0 to 1, for inputs such as second moments. Default: false. */
  readonly positive?: boolean;
  /** Exclusive upper bound of the random values of an integer input. Default: 2. */
  readonly below?: number;
  /** The values of the input, instead of random ones. */
  readonly values?: readonly number[];
}

/** A small call of an op, on which a kernel is compared with the op's reference. */
export interface Example<P = unknown> {
  readonly inputs: readonly ExampleInput[];
  readonly params: P;
}

/**
 * Makes a small example call that runs the same kernel as a call with `inputs` and `params` would run. It has the same
 * row length and head size, but few rows and heads. Returns undefined if that kernel needs no check.
 */
export type ExampleOf<P> = (inputs: readonly TensorSpec[], params: P) => Example<P> | undefined;
