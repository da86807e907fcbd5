import { defineOp, expectDType, type Op } from "../../engine/op.ts";

/** Parameters of the op `inRange`: the range of allowed values, and the error for other values. */
export interface InRangeParams {
  readonly low: number;
  /** The largest value that is allowed. Default Infinity. */
  readonly high?: number;
  /** A value that is allowed although it is outside the range, such as `ignoreIndex`. */
  readonly except?: number;
  /**
   * Returns the error to throw for the first value outside the range. `at` is the value's index in the flattened
   * tensor.
   */
  readonly error: (value: number, at: number) => Error;
}

/**
 * Returns a copy of x, f32 or i32. Throws `error` if a value is outside `low`..`high`; NaN is accepted. Ops that are
 * composed of other ops check indices and labels with it, and so throw the same errors as kernels.
 */
export const inRange: Op<1, InRangeParams> = defineOp({
  name: "inRange",
  arity: 1,
  options: { low: true, high: true, except: true, error: true },
  shape: (inputs) => {
    expectDType("inRange", inputs, 0, "f32", "i32");
    return { shape: inputs[0].shape, dtype: inputs[0].dtype };
  },
  ref: ([x], [out], { low, high = Infinity, except, error }) => {
    for (let i = 0; i < out.size; i++) {
      const value = x.data[i];
      if (value !== except && (value < low || value > high)) throw error(value, i);
      out.data[i] = value;
    }
  },
  fault: (at, value, _inputs, { error }) => error(value, at),
  vjp: ({ grads: [dy] }) => [dy],
});
