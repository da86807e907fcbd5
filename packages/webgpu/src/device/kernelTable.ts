import type { BackendOp, TensorSpec } from "@lowrank/core/backend";
import type { Example, ExampleOf } from "../kernel/example.ts";
import type { GpuFacts, KernelCode, KernelTest, WebGpuKernel } from "../kernel/kernel.ts";
import type { SplitOf } from "../kernel/split.ts";
import { kernels as ownKernels } from "../kernels/index.ts";

/** A kernel with the types of its op. */
interface TypedKernel<P> {
  readonly run: KernelCode<P, BackendOp<P>>;
  readonly split?: SplitOf<P>;
}

/** The kernels of a backend by the names of their ops. */
export interface KernelTable {
  /** Returns an op's kernel; none where the op has no kernel. */
  kernelOf<P>(op: BackendOp<P>): TypedKernel<P> | undefined;
  /** True where the op has a kernel that takes such inputs. */
  supports<P>(op: BackendOp<P>, inputs: readonly TensorSpec[], params: P): boolean;
  /** Returns a small call of a kernel, for the kind of a call; none where it is not checked. */
  exampleOf<P>(op: BackendOp<P>, inputs: readonly TensorSpec[], params: P): Example<P> | undefined;
}

/** Makes the table of this package's kernels and of `more`. Throws where an op has two. */
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
