import { isPacked, matmul, noGrad, quantize4bit, scope, sub, type Tensor, to } from "@lowrank/core";
import { checkRank, type Factors, fullWeight, svdFactors } from "./factors.ts";
import type { LoftQConfig } from "./loraConfig.ts";

/** LoRA's factors and the quantised base weight that LoftQ computes from a weight W [out, in]. */
interface LoftQStart extends Factors {
  /** The new base weight Q: W minus B A, quantised to NF4, [out, in]. */
  weight: Tensor;
}

/**
 * LoftQ: alternately computes Q and B A so that Q + B A approximates W. Q is W - B A in NF4 (blocks of 64). B A is the
 * best rank-r approximation of W - Q, with the singular values split evenly between A and B. As in PEFT, B A is not
 * divided by the adapter's scaling. `transposed` means that `weight` is stored as [in, out]. The caller frees the
 * results. Li et al. 2023, https://arxiv.org/abs/2310.08659
 */
export async function loftq(
  weight: Tensor,
  rank: number,
  { loftqIter }: LoftQConfig,
  transposed: boolean,
): Promise<LoftQStart> {
  const [rows, columns] = transposed ? [...weight.shape].reverse() : weight.shape;
  if (isPacked(weight.dtype)) {
    throw new Error(
      `initLoraWeights "loftq" needs weights that are not quantised, but these are ${weight.dtype}: load the model without quantize, and call quantizeBase after getPeftModel`,
    );
  }
  checkRank("loftq", rank, [rows, columns]);
  using w = fullWeight(weight, transposed);
  let start = await quantizeAndFactor(w, w.detach(), rank);
  for (let i = 1; i < loftqIter; i++) {
    using b = start.b;
    using a = start.a;
    start.weight.dispose();
    start = await quantizeAndFactor(
      w,
      noGrad(() => scope(() => sub(w, matmul(b, a)))),
      rank,
    );
  }
  return start;
}

/** One step of LoftQ: quantises `target` to Q and factorises w - Q. Frees `target`. */
async function quantizeAndFactor(w: Tensor, target: Tensor, rank: number): Promise<LoftQStart> {
  const [weight, rest] = noGrad(() =>
    scope(() => {
      const q = quantize4bit(target, { quantType: "nf4", blockSize: 64 });
      return [q, sub(w, to(q, { dtype: "f32" }))] as const;
    }),
  );
  target.dispose();
  using left = rest;
  return { weight, ...(await svdFactors(left, rank)) };
}
