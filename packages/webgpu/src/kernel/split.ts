import { alongDim, collapse, sizeOf, type TensorSpec } from "@lowrank/core/backend";

/**
 * A way to cut a call into smaller calls on ranges of rows. The results of the smaller calls are stored one after the
 * other.
 */
export interface Split<P> {
  /** Number of rows of each tensor that is cut. Its leading dimensions count as one dimension, the rows. */
  readonly rows: number;
  /** For each tensor, true if it is cut by rows. The other tensors are passed whole to every smaller call. */
  readonly inputs: readonly boolean[];
  readonly outputs: readonly boolean[];
  /** Returns the parameters of the smaller call that begins at `row`. Default: the parameters of the whole call. */
  readonly paramsFrom?: (row: number) => P;
}

/** Returns how a call can be cut by rows, or undefined if it cannot be cut. */
export type SplitOf<P> = (
  inputs: readonly TensorSpec[],
  outputs: readonly TensorSpec[],
  params: P,
) => Split<P> | undefined;

type Specs = readonly TensorSpec[];

const have = (rows: number, inputs: Specs, outputs: Specs): Split<never> => {
  const cut = ({ shape }: TensorSpec): boolean => {
    const leading = shape.map((_, d) => sizeOf(shape.slice(0, d + 1)));
    return rows > 1 && leading.includes(rows);
  };
  return { rows, inputs: inputs.map(cut), outputs: outputs.map(cut) };
};

/** Cuts elementwise calls at any element. Tensors with fewer elements than the largest are not cut. */
export function byElement(inputs: Specs, outputs: Specs): Split<never> {
  return have(Math.max(...[...inputs, ...outputs].map(({ shape }) => sizeOf(shape))), inputs, outputs);
}

/**
 * Cuts row-wise calls between rows, where rows are along the last dimension of the first input. One-dimensional tensors
 * are not cut.
 */
export function byRow(inputs: Specs, outputs: Specs): Split<never> {
  const { rows, ...cut } = have(sizeOf(inputs[0].shape.slice(0, -1)), inputs, outputs);
  const isCut = (tensors: Specs, cuts: readonly boolean[]) =>
    tensors.map(({ shape }, i) => cuts[i] && shape.length > 1);
  return { rows, inputs: isCut(inputs, cut.inputs), outputs: isCut(outputs, cut.outputs) };
}

/**
 * Splits a kernel call that works along dimension `dim` into several calls. The dimensions before `dim` are flattened
 * into one, and each call computes a range of it. These dimensions must have the same sizes in all tensors.
 */
export function byOuter(inputs: Specs, outputs: Specs, { dim = 0 }: { readonly dim?: number }): Split<never> {
  return have(alongDim("split", inputs[0].shape, dim).outer, inputs, outputs);
}

/**
 * Cuts calls whose inputs broadcast to the shape of the result, along the outermost dimension. Inputs without that
 * dimension are not cut.
 */
export function byBroadcast(inputs: Specs, outputs: Specs): Split<never> {
  const [{ shape }] = outputs;
  const { sizes, strides } = collapse(
    shape,
    inputs.map((input) => input.shape),
  );
  return { rows: sizes[0], inputs: strides.map(([first]) => first !== 0), outputs: [true] };
}
