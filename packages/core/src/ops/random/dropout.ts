import { tensorFilledBy } from "../../creation/create.ts";
import { defineOp, expectDType, type Op, refuseSurplus } from "../../engine/op.ts";
import type { Tensor } from "../../engine/tensor.ts";
import { checkOptions } from "../../internal/checkOptions.ts";
import type { TypedArray } from "../../layout/dtype.ts";
import { defaultGenerator } from "../../random/manualSeed.ts";
import { Generator, type GeneratorState } from "../../random/random.ts";
import { where } from "../binary/where.ts";
import { scalarLike } from "../shared/scalarLike.ts";
import { affine } from "../unary/affine.ts";

/** Returns 1 for each of `size` elements that is dropped, and 0 for the others. */
function isDropped(size: number, p: number, state: GeneratorState): Uint8Array {
  const generator = new Generator(state.seed);
  generator.state = state;
  const uniform = new Float32Array(size);
  generator.fillUniform(uniform);
  return Uint8Array.from(uniform, (u) => Number(u < p));
}

/** Parameters of the op of `dropout`. */
export interface DropoutParams {
  readonly p: number;
  /** The generator state at the start. The same state gives the same zeros, so the gradient needs no mask. */
  readonly state: GeneratorState;
}

/** Zeroes elements selected by the generator at `state`, and divides the others by 1 - p. */
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
 * Zeroes each element with probability p and divides the others by 1 - p. Element i is zeroed if the generator's next
 * uniform value i is below p. A call advances the generator by x.size. Default: the generator that `manualSeed` seeds.
 * Srivastava et al. 2014, https://jmlr.org/papers/v15/srivastava14a.html
 */
export function dropout(x: Tensor, options: { p: number; generator?: Generator }): Tensor {
  refuseSurplus("dropout", 1, arguments);
  checkOptions("dropout", options, { p: true, generator: true });
  const { p, generator = defaultGenerator } = options;
  const { state } = generator;
  const out = dropoutOp(x, { p, state });
  generator.offset += x.size;
  return out;
}
