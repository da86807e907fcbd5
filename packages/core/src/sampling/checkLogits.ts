/** Throws if no token can be sampled from the logits: one is NaN, the largest one is infinite, or there are none. */
export function checkLogits(logits: ArrayLike<number>): void {
  if (logits.length === 0) throw new Error("the logits are empty");
  let largest = -Infinity;
  for (let i = 0; i < logits.length; i++) {
    const logit = logits[i];
    if (Number.isNaN(logit)) {
      throw new Error(
        `the logit of token ${i} is NaN: a weight or an activation overflowed, or the weights are broken`,
      );
    }
    if (logit > largest) largest = logit;
  }
  if (!Number.isFinite(largest)) throw new Error(`the largest logit is ${largest}; no token can be chosen`);
}
