import { scalarLike, tensorFilledBy } from "../../creation/create.ts";
import { checkCall, defineOp, expectDType, type Op } from "../../engine/op.ts";
import type { Tensor } from "../../engine/tensor.ts";
import type { TypedArray } from "../../layout/dtype.ts";
import { defaultGenerator } from "../../random/manualSeed.ts";
import { Generator, type GeneratorState } from "../../random/random.ts";
import { where } from "../binary/where.ts";
import { affine } from "../unary/affine.ts";

/** Returns an array with 1 for each element to drop and 0 for each element to keep. */
function isDropped(size: number, p: number, state: GeneratorState): Uint8Array {
  const generator = new Generator(state.seed);
  generator.state = state;
  const uniform = new Float32Array(size);
  generator.fillUniform(uniform);
  return Uint8Array.from(uniform, (u) => Number(u < p));
}

/** Parameters of the op behind `dropout`. */
export interface DropoutParams {
  readonly p: number;
  /**
   * State of the generator before the draw. The gradient uses the same state to zero the same elements, so no mask is
   * stored.
   */
  readonly state: GeneratorState;
}

/**
 * Zeroes the elements whose uniform value, drawn from the generator at `state`, is below p. Divides the others by 1 -
 * p.
 */
export const dropoutOp: Op<1, DropoutParams> = defineOp({
  name: "dropout",
  arity: 1,
  shape: (inputs, { p }) => {
    expectDType("dropout", inputs, 0, "f32");
    if (!(p >= 0 && p <= 1)) throw new Error(`dropout: p is ${p}; it must be a probability from 0 to 1`);
    return { shape: inputs[0].shape, dtype: "f32" };
  },
  ref: ([x], [out], { p, state }) => {
    const dropped = isDropped(x.size, p, state);
    for (let i = 0; i < x.size; i++) out.data[i] = dropped[i] ? 0 : x.data[i] / (1 - p);
  },
  compose: ([x], { p, state }) => {
    const fill = (dropped: TypedArray) => void dropped.set(isDropped(x.size, p, state));
    const dropped = tensorFilledBy({ shape: x.shape, dtype: "bool" }, x.storage.backend, fill);
    return where(dropped, scalarLike(x, 0), affine(x, { scale: 1 / (1 - p) }));
  },
  vjp: ({ grads: [dy], params }) => [dropoutOp(dy, params)],
});

/**
 * Zeroes each element with probability p and divides the others by 1 - p. Draws one uniform value per element from
 * `generator`, in order, and zeroes the element if the value is below p. A call therefore advances the generator by
 * x.size values. Default generator: the one that `manualSeed` seeds. Srivastava et al. 2014,
 * https://jmlr.org/papers/v15/srivastava14a.html
 */
export function dropout(x: Tensor, options: { p: number; generator?: Generator }): Tensor {
  checkCall("dropout", 1, arguments, options, { p: true, generator: true });
  const { p, generator = defaultGenerator } = options;
  const { state } = generator;
  const out = dropoutOp(x, { p, state });
  generator.offset += x.size;
  return out;
}
