const twoOverSqrtPi = 2 / Math.sqrt(Math.PI);

/**
 * Returns the error function of x in f64. It uses a series of positive terms below 3, and a continued fraction above.
 */
export function erf(x: number): number {
  const t = Math.abs(x);
  if (Number.isNaN(t)) return x;
  const gauss = Math.exp(-t * t);
  if (t < 3) {
    let term = t;
    let sum = t;
    for (let n = 1; term > sum * 1e-17; n++) {
      term *= (2 * t * t) / (2 * n + 1);
      sum += term;
    }
    return Math.sign(x) * twoOverSqrtPi * gauss * sum;
  }
  let fraction = t;
  for (let n = 60; n > 0; n--) fraction = t + n / 2 / fraction;
  return Math.sign(x) * (1 - gauss / (fraction * Math.sqrt(Math.PI)));
}
