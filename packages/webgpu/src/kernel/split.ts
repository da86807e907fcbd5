import { alongDim, collapse, sizeOf, type TensorSpec } from "@lowrank/core/backend";

/** A cut of a call into smaller calls on some of its rows, whose results are stored one after the other. */
export interface Split<P> {
  /** Rows of each tensor that is cut: the product of some of its leading dimensions. */
  readonly rows: number;
  /** For each tensor, true if it is cut; each part uses the other tensors whole. */
  readonly inputs: readonly boolean[];
  readonly outputs: readonly boolean[];
  /** Returns the parameters of the part that begins at `row`. Default: the parameters of the call. */
  readonly paramsFrom?: (row: number) => P;
}

/** Returns how a call may be cut, or undefined if it cannot be. */
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

/** Cuts elementwise calls on tensors of one size; smaller tensors stay whole. */
export function byElement(inputs: Specs, outputs: Specs): Split<never> {
  return have(Math.max(...[...inputs, ...outputs].map(({ shape }) => sizeOf(shape))), inputs, outputs);
}

/** Cuts calls that work along the last dimension of the first input; vectors stay whole. */
export function byRow(inputs: Specs, outputs: Specs): Split<never> {
  const { rows, ...cut } = have(sizeOf(inputs[0].shape.slice(0, -1)), inputs, outputs);
  const isCut = (tensors: Specs, cuts: readonly boolean[]) =>
    tensors.map(({ shape }, i) => cuts[i] && shape.length > 1);
  return { rows, inputs: isCut(inputs, cut.inputs), outputs: isCut(outputs, cut.outputs) };
}

/** Cuts calls that work along dimension `dim`; the dimensions before it are the same in all tensors. */
export function byOuter(inputs: Specs, outputs: Specs, { dim = 0 }: { readonly dim?: number }): Split<never> {
  return have(alongDim("split", inputs[0].shape, dim).outer, inputs, outputs);
}

/** Cuts calls on inputs that broadcast to the shape of the result. */
export function byBroadcast(inputs: Specs, outputs: Specs): Split<never> {
  const [{ shape }] = outputs;
  const { sizes, strides } = collapse(
    shape,
    inputs.map((input) => input.shape),
  );
  return { rows: sizes[0], inputs: strides.map(([first]) => first !== 0), outputs: [true] };
}
