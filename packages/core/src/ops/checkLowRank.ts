import type { TensorSpec } from "../backend.ts";
import type { DType } from "../dtype.ts";
import { expectDType } from "../op.ts";
import { formatShape, sameShape } from "../shape.ts";

/** Parameters of `lowRankRows`, with an entry for each pair of factors. */
export interface LowRankRowsParams {
  /**
   * The rows, along the first dimension, to which a pair's product is added. Calls with the same
   * lists do less again and again if these, and the list of them, are frozen.
   */
  readonly rows: readonly (readonly number[])[];
  readonly scalings: readonly number[];
}

const factorDTypes: readonly DType[] = ["f32", "f16", "bf16"];

/** Throws unless (y, x, A, B, A, B, ...) fit each other and the parameters. */
export function checkLowRank(inputs: readonly TensorSpec[], { rows, scalings }: LowRankRowsParams): void {
  const [{ shape: y }, { shape: x }] = inputs;
  expectDType("lowRankRows", inputs, 0, "f32");
  expectDType("lowRankRows", inputs, 1, "f32");
  const pairs = (inputs.length - 2) / 2;
  if (pairs !== rows.length || pairs !== scalings.length) {
    throw new Error(
      `lowRankRows: ${inputs.length - 2} factors, ${rows.length} lists of rows and ${scalings.length} scalings; give A, B, rows and a scaling for each pair`,
    );
  }
  if (x.length < 2 || !sameShape(x.slice(0, -1), y.slice(0, -1))) {
    throw new Error(
      `lowRankRows: x ${formatShape(x)} and y ${formatShape(y)} must agree in all dimensions but the last`,
    );
  }
  const [inFeatures, outFeatures] = [x[x.length - 1], y[y.length - 1]];
  for (let i = 2; i < inputs.length; i += 2) {
    const [a, b] = [inputs[i].shape, inputs[i + 1].shape];
    for (const at of [i, i + 1]) {
      if (!factorDTypes.includes(inputs[at].dtype)) expectDType("lowRankRows", inputs, at, ...factorDTypes);
    }
    if (a.length !== 2 || b.length !== 2 || a[1] !== inFeatures || b[0] !== outFeatures || a[0] !== b[1]) {
      throw new Error(
        `lowRankRows: A ${formatShape(a)} [r,in] and B ${formatShape(b)} [out,r] do not fit x ${formatShape(x)} and y ${formatShape(y)}`,
      );
    }
  }
  checkRows(rows, x[0]);
}

/** Throws for a row that is not there, or is named twice. */
function checkRows(rows: LowRankRowsParams["rows"], count: number): void {
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
}
