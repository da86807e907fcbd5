import type { BackendOp, TensorSpec } from "@lowrank/core/backend";
import type { Example, ExampleOf, GpuFacts, KernelCode, KernelTest, WebGpuKernel } from "../kernel/kernel.ts";
import type { SplitOf } from "../kernel/split.ts";
import { kernels as ownKernels } from "../kernels/index.ts";

/** The kernel of an op whose parameters have the type P. */
interface TypedKernel<P> {
  readonly run: KernelCode<P, BackendOp<P>>;
  readonly split?: SplitOf<P>;
}

/** The kernels of a backend, by op name. */
export interface KernelTable {
  /** Returns the op's kernel, or undefined if it has none. */
  kernelOf<P>(op: BackendOp<P>): TypedKernel<P> | undefined;
  /** Returns true if the op has a kernel that supports these inputs. */
  supports<P>(op: BackendOp<P>, inputs: readonly TensorSpec[], params: P): boolean;
  /**
   * Returns a small call for checking the kernel that a call with these inputs and parameters would run. Returns
   * undefined if that kernel is not checked.
   */
  exampleOf<P>(op: BackendOp<P>, inputs: readonly TensorSpec[], params: P): Example<P> | undefined;
}

/** Makes a table of this package's kernels and the user's kernels `more`. Throws if an op has two kernels. */
export function kernelTable(more: readonly WebGpuKernel[], gpu: GpuFacts): KernelTable {
  const table = new Map<string, WebGpuKernel>();
  for (const kernel of [...ownKernels, ...more]) {
    if (table.has(kernel.op)) throw new Error(`webgpu: the op "${kernel.op}" has two kernels; leave one of them out`);
    table.set(kernel.op, kernel);
  }
  return {
    kernelOf: <P>({ name }: BackendOp<P>) => table.get(name) as TypedKernel<P> | undefined,
    supports: <P>({ name }: BackendOp<P>, inputs: readonly TensorSpec[], params: P) => {
      const kernel = table.get(name);
      if (!kernel) return false;
      return !kernel.supports || (kernel.supports as KernelTest<P>)(inputs, params, gpu);
    },
    exampleOf: <P>({ name }: BackendOp<P>, inputs: readonly TensorSpec[], params: P) =>
      (table.get(name)?.example as ExampleOf<P> | undefined)?.(inputs, params),
  };
}
