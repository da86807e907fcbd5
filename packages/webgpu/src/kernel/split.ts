import { alongDim, collapse, sizeOf, type TensorSpec } from "@lowrank/core/backend";

/**
 * A way to cut a call into smaller calls on ranges of rows. The results of the smaller calls are stored one after the
 * other.
 */
export interface Split<P> {
  /**
   * Number of rows of each tensor that is cut. The leading dimensions of a tensor are flattened into one dimension, the
   * rows.
   */
  readonly rows: number;
  /**
   * For each input, true if it is cut by rows. `outputs` holds the same for each output. Tensors that are not cut are
   * passed whole to every smaller call.
   */
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

/**
 * Cuts an elementwise call into calls on ranges of elements. Tensors with fewer elements than the largest tensor are
 * not cut.
 */
export function byElement(inputs: Specs, outputs: Specs): Split<never> {
  return have(Math.max(...[...inputs, ...outputs].map(({ shape }) => sizeOf(shape))), inputs, outputs);
}

/**
 * Cuts a call that works on rows into calls on ranges of rows. A row is the last dimension of the first input.
 * One-dimensional tensors are not cut.
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
 * Cuts a call whose inputs broadcast to the shape of the result into calls on ranges of the outermost dimension. Inputs
 * that broadcast along that dimension are not cut.
 */
export function byBroadcast(inputs: Specs, outputs: Specs): Split<never> {
  const [{ shape }] = outputs;
  const { sizes, strides } = collapse(
    shape,
    inputs.map((input) => input.shape),
  );
  return { rows: sizes[0], inputs: strides.map(([first]) => first !== 0), outputs: [true] };
}
