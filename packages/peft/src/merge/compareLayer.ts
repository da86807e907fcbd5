import { type DType, isPacked, type Tensor } from "@lowrank/core";
import type { LayerAnswers } from "./layerAnswers.ts";

/** The change of a layer's answers by a merge, on a few random inputs. */
export interface LayerDifference {
  /** Of the layer, in the base model. */
  path: string;
  /** The largest difference from the layer's output with the adapter beside it. */
  maxAbsDiff: number;
  /** The most that rounding explains; more is an error. */
  bound: number;
}

/**
 * The error that float32 leaves in sums of `terms` products, as a share of the largest answer.
 * Roundings walk at random, √terms steps of the unit roundoff far, and some 8 steps come from the
 * method's own sums. 16 times as much is allowed. All methods on layers of 6 to 4096 inputs came to
 * a third of one such walk.
 */
const inFloat32 = (terms: number) => 16 * (Math.sqrt(terms) + 8) * 2 ** -24;

/**
 * The error that rounding the weights may cause, as a share of the largest answer. Each weight
 * moves by at most the unit roundoff u times its size, up or down. Over a row these moves walk at
 * random too, some u/√3 of the answers' own spread far; 8 u are allowed. Codes of 4 bits move
 * normal weights by a tenth of their spread. If half of the answer is lost, the weights are not of
 * the kind that the codes are made for.
 */
const byRounding = (dtype: DType): number =>
  isPacked(dtype) ? 1 / 2 : dtype === "f16" ? 8 * 2 ** -11 : dtype === "bf16" ? 8 * 2 ** -8 : 0;

/** Near zero, f16 goes in steps of 2^-24, whatever the size. */
const smallest = (dtype: DType, terms: number) => (dtype === "f16" ? 8 * 2 ** -25 * Math.sqrt(terms) : 0);

/**
 * Compares a layer's answers before and after its merge into values of `dtypes`, and frees them.
 * Throws, naming layer, difference and bound, if they are further apart than rounding explains.
 */
export async function compareLayer(
  path: string,
  adapters: readonly string[],
  answers: LayerAnswers,
  dtypes: readonly DType[],
): Promise<LayerDifference> {
  const { terms } = answers;
  const [base, sum, stored] = await Promise.all([answers.base, answers.sum, answers.stored].map(numbers));
  const [beside, alone] = await Promise.all(
    [answers.beside, answers.alone].map((all) => Promise.all(all.map(numbers))),
  );
  for (const tensor of [answers.base, answers.sum, answers.stored, ...answers.beside, ...answers.alone])
    tensor.dispose();
  const refusal = `merging ${adapters.join(", ")}: merged, ${path} would answer otherwise than with the adapter beside it`;
  const advice =
    "Nothing was merged. Keep the adapter beside the weights, or pass verify: false to merge it all the same";

  const computed = { difference: 0, bound: 0 };
  for (const [i, live] of beside.entries()) {
    const difference = apart(live, alone[i]);
    const bound = inFloat32(terms) * Math.max(largest(live), largest(base));
    if (!(difference <= bound)) {
      throw new Error(`${refusal}, by ${short(difference)}, where float32 explains ${short(bound)}. ${advice}`);
    }
    computed.difference = Math.max(computed.difference, difference);
    computed.bound = Math.max(computed.bound, bound);
  }

  const shares = dtypes.map((dtype) => byRounding(dtype) * largest(sum) + smallest(dtype, terms));
  const rounding = { difference: apart(sum, stored), bound: Math.max(0, ...shares) };
  if (!(rounding.difference <= rounding.bound)) {
    throw new Error(
      `${refusal}, by ${short(rounding.difference)}, since its weights are rounded to ${[...new Set(dtypes)].join(" and ")}, which should cost ${short(rounding.bound)} at most. Merge into weights of a wider dtype. ${advice}`,
    );
  }
  return {
    path,
    maxAbsDiff: computed.difference + rounding.difference,
    bound: computed.bound + rounding.bound,
  };
}

async function numbers(tensor: Tensor): Promise<Float32Array> {
  return (await tensor.data()) as Float32Array;
}

const short = (x: number): string => x.toExponential(1);

function largest(values: Float32Array): number {
  let most = 0;
  for (const x of values) most = Math.max(most, Math.abs(x));
  return most;
}

/** The largest difference; NaN where there is one. */
function apart(a: Float32Array, b: Float32Array): number {
  let most = 0;
  for (let i = 0; i < a.length; i++) most = Math.max(most, Math.abs(a[i] - b[i]));
  return most;
}
