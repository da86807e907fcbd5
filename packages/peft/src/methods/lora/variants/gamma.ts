import { add, affine, div, log, mul, sub, sum, type Tensor, tensor } from "@lowrank/core";

/** The series below are exact in f32 for arguments above this number. Recurrences lead there. */
const start = 8;

/** Returns x, x + 1, ..., x + 7 for each element of x [n], as [n, 8]. */
function steps(x: Tensor): Tensor {
  const offsets = Float32Array.from({ length: start }, (_, i) => i);
  return add(x.reshape([-1, 1]), tensor(offsets, { shape: [1, start], backend: x.storage.backend }));
}

/** Returns the logarithm of the gamma function of positive values [n]. The series is differentiable. */
export function lgamma(x: Tensor): Tensor {
  const y = affine(x, { shift: start });
  const inverse = div(1, y);
  const square = mul(inverse, inverse);
  const terms = mul(
    inverse,
    affine(mul(square, affine(square, { scale: 1 / 1260, shift: -1 / 360 })), { shift: 1 / 12 }),
  );
  const stirling = add(
    sub(mul(affine(y, { shift: -0.5 }), log(y)), y),
    affine(terms, { shift: Math.log(2 * Math.PI) / 2 }),
  );
  return sub(stirling, sum(log(steps(x)), { dim: 1 }));
}

/** Returns the derivative of `lgamma`, for positive values [n]. */
export function digamma(x: Tensor): Tensor {
  const inverse = div(1, affine(x, { shift: start }));
  const square = mul(inverse, inverse);
  const inner = affine(mul(square, affine(square, { scale: -1 / 252, shift: 1 / 120 })), { shift: -1 / 12 });
  const series = sub(mul(square, inner), affine(inverse, { scale: 0.5 }));
  return sub(add(log(affine(x, { shift: start })), series), sum(div(1, steps(x)), { dim: 1 }));
}
