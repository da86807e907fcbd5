import type { Shape } from "@lowrank/core/backend";
import type { GpuTensor } from "../kernel/kernel.ts";
import type { SplitOf } from "../kernel/split.ts";
import { bytesSeen, inParts } from "../wgsl/window.ts";

/** A call of a kernel. */
export interface Call<P> {
  readonly inputs: GpuTensor[];
  readonly outputs: GpuTensor[];
  readonly params: P;
}

/** The shape with `count` in the place of the first dimensions, whose product is `rows`. */
function shapeOf(shape: Shape, rows: number, count: number): Shape {
  const first = shape.findIndex((_, d) => shape.slice(0, d + 1).reduce((a, b) => a * b, 1) === rows);
  return shape.map((size, d) => (d === 0 ? count : d <= first ? 1 : size));
}

/**
 * Cuts a call into calls whose tensors a kernel can see, of at most `most` bytes each. One that
 * need not or cannot be cut stays as it is.
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
