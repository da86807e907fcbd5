import type { Shape } from "@lowrank/core/backend";
import type { GpuTensor } from "../kernel/kernel.ts";
import type { SplitOf } from "../kernel/split.ts";
import { bytesSeen, inParts } from "../wgsl/window.ts";

/** A call of an op's kernel: its tensors on the device, and the op's parameters. */
export interface Call<P> {
  readonly inputs: GpuTensor[];
  readonly outputs: GpuTensor[];
  readonly params: P;
}

/**
 * Returns the shape of a range of `count` rows of a tensor. The rows are the leading dimensions of `shape`, whose sizes
 * have the product `rows`. In the result, the first of these dimensions is `count` and the others are 1, so that the
 * number of dimensions stays the same.
 */
function shapeOf(shape: Shape, rows: number, count: number): Shape {
  const first = shape.findIndex((_, d) => shape.slice(0, d + 1).reduce((a, b) => a * b, 1) === rows);
  return shape.map((size, d) => (d === 0 ? count : d <= first ? 1 : size));
}

/**
 * Cuts a call into calls on ranges of rows, so that each tensor has at most `most` bytes, which a kernel can bind.
 * Returns the call unchanged if it fits already, or if its op cannot be cut: `splitOf` is missing or returns undefined.
 */
export function cutCall<P>(splitOf: SplitOf<P> | undefined, call: Call<P>, most: number): readonly Call<P>[] {
  const { inputs, outputs, params } = call;
  const all = [...inputs, ...outputs];
  if (all.every((tensor) => bytesSeen(tensor) <= most)) return [call];
  const split = splitOf?.(inputs, outputs, params);
  if (!split) return [call];
  const { rows, paramsFrom } = split;
  const flags = [...split.inputs, ...split.outputs];
  const cut = all.filter((_, i) => flags[i]);
  if (rows < 2 || cut.length === 0) return [call];
  return inParts(cut, most, rows).map(({ from, rows: count, tensors }): Call<P> => {
    const parts = [...tensors];
    const part = (tensor: GpuTensor, i: number): GpuTensor =>
      flags[i] ? { ...(parts.shift() as GpuTensor), shape: shapeOf(tensor.shape, rows, count) } : tensor;
    const made = all.map(part);
    return {
      inputs: made.slice(0, inputs.length),
      outputs: made.slice(inputs.length),
      params: paramsFrom ? paramsFrom(from) : params,
    };
  });
}
