import type { Backend } from "../backends/backend.ts";
import { tensor } from "../creation/makeTensor.ts";
import type { Tensor } from "../engine/tensor.ts";
import type { DType } from "../layout/dtype.ts";
import { type Shape, sizeOf } from "../layout/shape.ts";
import type { Generator } from "../random/random.ts";

/** The description of one input tensor of a test case. */
export interface Input {
  readonly shape: Shape;
  /** The input's dtype. Default f32. */
  readonly dtype?: DType;
  /** The elements. Default: random. */
  readonly values?: readonly number[];
  /**
   * Lower bound of random elements. Default: -2 for floats, 0 for integers and bool. `high`, the exclusive upper bound,
   * is 2 by default.
   */
  readonly low?: number;
  readonly high?: number;
  /** A point where the function is not smooth. Random elements are at least 0.1 away from it. */
  readonly kink?: number;
  /** If given, the elements start at this value and are 0.1 apart, in random order, so that no two are almost equal. */
  readonly distinctFrom?: number;
  /**
   * Converts the tensor to the argument that the function gets, such as a packed weight. `values` are the tensor's
   * elements.
   */
  readonly store?: (t: Tensor, values: Float32Array) => Tensor;
}

function floats(input: Input, generator: Generator): Float32Array {
  const { shape, low = -2, high = 2, kink, distinctFrom } = input;
  const out = new Float32Array(sizeOf(shape));
  if (distinctFrom !== undefined) {
    for (const [i, rank] of generator.permutation(out.length).entries()) out[i] = distinctFrom + 0.1 * rank;
    return out;
  }
  generator.fillUniform(out, low, high);
  if (kink === undefined) return out;
  return out.map((v) => (Math.abs(v - kink) < 0.1 ? kink + (v < kink ? -0.1 : 0.1) : v));
}

/** Returns the elements of an input as f32 or i32, before they are converted to the input's dtype. */
export function inputValues(input: Input, generator: Generator): Float32Array | Int32Array {
  const { shape, dtype = "f32", values, low = 0, high = 2 } = input;
  if (values) return dtype === "i32" ? Int32Array.from(values) : Float32Array.from(values);
  if (dtype === "f32" || dtype === "f16" || dtype === "bf16") return floats(input, generator);
  const out = new Int32Array(sizeOf(shape));
  generator.fillInt(out, low, high);
  return out;
}

/** Creates the tensor of an input from its elements, and converts it with the input's `store`. */
export function makeInput(
  { shape, dtype = "f32", store }: Input,
  values: Float32Array | Int32Array,
  backend: Backend,
): Tensor {
  const made = tensor(values, { shape, dtype, backend });
  return store ? store(made, values as Float32Array) : made;
}
