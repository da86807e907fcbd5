import { tensor } from "../../creation/makeTensor.ts";
import { defineOp, expectDType, type Op } from "../../engine/op.ts";
import { compare } from "../binary/compare.ts";
import { where } from "../binary/where.ts";
import { inRange } from "../shared/inRange.ts";
import { to } from "../unary/to.ts";
import { reshape } from "./reshape.ts";

/** Parameters of `oneHot`: the number of classes, and a label to ignore. */
export interface OneHotParams {
  readonly classes: number;
  /** Label whose rows become all zeros. Default: no label is ignored. */
  readonly ignoreIndex?: number;
}

function labelOutOfRange(label: number, at: number, classes: number): Error {
  return new Error(`oneHot: label ${label} at position ${at} is none of the ${classes} classes (0..${classes - 1})`);
}

/** One-hot encodes labels [...] (i32) as f32 [..., classes]. */
export const oneHot: Op<1, OneHotParams> = defineOp({
  name: "oneHot",
  arity: 1,
  options: { classes: true, ignoreIndex: true },
  shape: (inputs, { classes }) => {
    expectDType("oneHot", inputs, 0, "i32");
    return { shape: [...inputs[0].shape, classes], dtype: "f32" };
  },
  ref: ([labels], [out], { classes, ignoreIndex }) => {
    out.data.fill(0);
    for (let i = 0; i < labels.size; i++) {
      const label = labels.data[i];
      if (label === ignoreIndex) continue;
      if (label < 0 || label >= classes) throw labelOutOfRange(label, i, classes);
      out.data[i * classes + label] = 1;
    }
  },
  compose: ([labels], { classes, ignoreIndex }) => {
    const { backend } = labels.storage;
    const scalar = (value: number) => tensor(value, { dtype: "i32", backend });
    const error = (label: number, at: number) => labelOutOfRange(label, at, classes);
    let named = inRange(labels, { low: 0, high: classes - 1, except: ignoreIndex, error });
    if (ignoreIndex !== undefined) {
      named = where(compare(named, scalar(ignoreIndex), { relation: "eq" }), scalar(-1), named);
    }
    const column = reshape(named, { shape: [...labels.shape, 1] });
    const each = tensor(
      Int32Array.from({ length: classes }, (_, i) => i),
      { backend },
    );
    return to(compare(column, each, { relation: "eq" }), { dtype: "f32" });
  },
  fault: (at, label, _inputs, { classes }) => labelOutOfRange(label, at, classes),
});
