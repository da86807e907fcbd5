import type { OpDefinition, TensorSpec } from "@lowrank/core/backend";
import { checkOptions } from "@lowrank/core/functions";
import type { ExampleOf } from "./example.ts";
import type { Limits } from "./gpuTypes.ts";
import type { GpuBlock } from "./pool.ts";
import type { Dispatch } from "./shader.ts";
import type { SplitOf } from "./split.ts";
import type { TileName } from "./tiles.ts";

/** A tensor as a kernel sees it: contiguous, in a buffer on the device. */
export interface GpuTensor extends TensorSpec {
  readonly buffer: GpuBlock;
  readonly size: number;
  /** The bytes of the buffer that it is; default: all of them. */
  readonly window?: { readonly offset: number; readonly bytes: number };
}

/** The device's abilities, by which kernels choose among their variants. */
export interface GpuFacts {
  readonly limits: Limits;
  readonly features: ReadonlySet<string>;
  /** True on a processor that plays the device: tile choices are fixed there. */
  readonly software: boolean;
  /** True if the order of a row's sums must not depend on the number of rows. */
  readonly batchInvariant: boolean;
  /** The tile of large products that suits the device. */
  readonly tile: TileName;
}

/** The device as a kernel sees it. */
export interface Gpu extends GpuFacts {
  /** Makes a tensor that lives until the kernel's commands have run. */
  scratch(spec: TensorSpec): GpuTensor;
}

/**
 * The code of one op: names the runs of kernels that do it, in order. `op` is the op's definition.
 */
export type KernelCode<P, D = unknown> = (
  inputs: GpuTensor[],
  outputs: GpuTensor[],
  params: P,
  gpu: Gpu,
  op: D,
) => readonly Dispatch[];

/** Tells whether a kernel takes such inputs. */
export type KernelTest<P> = (inputs: readonly TensorSpec[], params: P, gpu: GpuFacts) => boolean;

/** Facts that a kernel tells of itself beside its code. */
export interface KernelFacts<P> {
  /** Tells which calls it takes; others run as the op's composition. Default: all. */
  readonly supports?: KernelTest<P>;
  /**
   * Makes a small call, on which `warmUp` holds the kernel to the op's reference. Default: the
   * kernel is not checked.
   */
  readonly example?: ExampleOf<P>;
  /**
   * Tells how a call is cut whose tensors are larger than a kernel can see. Default: such calls are
   * refused, unless the code binds parts of them alone.
   */
  readonly split?: SplitOf<P>;
}

/** A kernel of this backend for the op of that name. */
export interface WebGpuKernel extends KernelFacts<never> {
  readonly op: string;
  readonly run: KernelCode<never, never>;
}

type DefinitionOf<O> = O extends { readonly definition: infer D } ? D : never;

/** The parameters that an op takes. */
type ParamsOf<O> = O extends { readonly definition: OpDefinition<infer P> } ? P : never;

/**
 * Makes a kernel for the op named `op`, whose parameters have the type of `O`: `kernel<typeof
 * matmul>("matmul", ...)`.
 */
export function kernel<O extends { readonly definition: unknown }>(
  op: string,
  run: KernelCode<ParamsOf<O>, DefinitionOf<O>>,
  facts: KernelFacts<ParamsOf<O>> = {},
): WebGpuKernel {
  checkOptions("kernel", facts, { supports: true, example: true, split: true });
  return { ...(facts as unknown as KernelFacts<never>), op, run: run as KernelCode<never, never> };
}
