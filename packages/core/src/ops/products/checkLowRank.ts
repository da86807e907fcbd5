import type { TensorSpec } from "../../backends/backend.ts";
import { expectDType, type GroupedShape } from "../../engine/op.ts";
import type { DType } from "../../layout/dtype.ts";
import { formatShape, sameShape } from "../../layout/shape.ts";

/** Parameters of `lowRankRows`. Each list has one entry for each pair of factors A and B. */
export interface LowRankRowsParams {
  /**
   * For each pair (A, B), the indices along y's first dimension to which the pair's product is added. If all these
   * lists, outer and inner, are frozen (`Object.freeze`), they are checked only once for a batch size.
   */
  readonly rows: readonly (readonly number[])[];
  readonly scalings: readonly number[];
}

const factorDTypes: readonly DType[] = ["f32", "f16", "bf16"];

const isFactor = ({ shape, dtype }: TensorSpec): boolean => shape.length === 2 && factorDTypes.includes(dtype);

/**
 * Returns true if A is a float matrix [r, in] and B is a float matrix [out, r]. `in` is the last size of x, and `out`
 * is the last size of y.
 */
function fitsPair([y, x]: readonly TensorSpec[], a: TensorSpec, b: TensorSpec): boolean {
  const { shape: s } = a;
  const { shape: t } = b;
  return isFactor(a) && isFactor(b) && s[1] === lastOf(x) && t[0] === lastOf(y) && s[0] === t[1];
}

const lastOf = ({ shape }: TensorSpec): number => shape[shape.length - 1];

/** Throws unless the shapes and dtypes of the inputs (y, x, A, B, A, B, ...) match each other and the parameters. */
export function checkLowRank(inputs: readonly TensorSpec[], params: LowRankRowsParams): void {
  checkBatch(inputs, params, (inputs.length - 2) / 2);
  for (let i = 2; i < inputs.length; i += 2) {
    const [a, b] = [inputs[i], inputs[i + 1]];
    if (fitsPair(inputs, a, b)) continue;
    for (const at of [i, i + 1]) expectDType("lowRankRows", inputs, at, ...factorDTypes);
    const [y, x] = inputs;
    throw new Error(
      `lowRankRows: A is ${formatShape(a.shape)} and B ${formatShape(b.shape)}; expected [r,in] and [out,r], where in is the last size of x ${formatShape(x.shape)} and out the last size of y ${formatShape(y.shape)}`,
    );
  }
  checkRows(params.rows, inputs[1].shape[0]);
}

/**
 * The shape rule of `lowRankRows`. It checks each pair (A, B) separately, so that a pair can be checked once and used
 * in many calls.
 */
export const groupedLowRank: GroupedShape<LowRankRowsParams> = {
  shape: (first, params, pairs) => {
    checkBatch(first, params, pairs);
    checkRows(params.rows, first[1].shape[0]);
    return { shape: first[0].shape, dtype: "f32" };
  },
  fits: (first, group) => group.length === 2 && fitsPair(first, group[0], group[1]),
  key: ([y, x]) => [lastOf(y), lastOf(x)],
};

/** Throws unless y and x match, and `rows` and `scalings` have an entry for each of the `pairs` pairs. */
function checkBatch(inputs: readonly TensorSpec[], { rows, scalings }: LowRankRowsParams, pairs: number): void {
  const [{ shape: y }, { shape: x }] = inputs;
  expectDType("lowRankRows", inputs, 0, "f32");
  expectDType("lowRankRows", inputs, 1, "f32");
  if (pairs !== rows.length || pairs !== scalings.length) {
    throw new Error(
      `lowRankRows: ${2 * pairs} factors, ${rows.length} lists of rows and ${scalings.length} scalings; give A, B, rows and a scaling for each pair`,
    );
  }
  if (x.length < 2 || !sameShape(x.slice(0, -1), y.slice(0, -1))) {
    throw new Error(
      `lowRankRows: x ${formatShape(x)} and y ${formatShape(y)} must agree in all dimensions but the last`,
    );
  }
}

/** For each frozen list of rows that has passed its check, the batch size for which it was checked. */
const goodFor = new WeakMap<LowRankRowsParams["rows"], number>();

/** Throws for a row that is out of range or listed twice. */
function checkRows(rows: LowRankRowsParams["rows"], count: number): void {
  if (goodFor.get(rows) === count) return;
  const named = new Uint8Array(count);
  for (const list of rows) {
    for (const row of list) {
      if (named[row] === 0) named[row] = 1;
      else {
        const reason = named[row] === 1 ? "named twice" : `not one of the ${count} rows`;
        throw new Error(`lowRankRows: row ${row} is ${reason}; each row has one pair of factors or none`);
      }
    }
  }
  if (Object.isFrozen(rows) && rows.every((list) => Object.isFrozen(list))) goodFor.set(rows, count);
}
