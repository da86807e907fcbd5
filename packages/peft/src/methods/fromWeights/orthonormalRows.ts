import {
  cat,
  div,
  ge,
  matmul,
  mul,
  neg,
  ones,
  pad,
  slice,
  sqrt,
  square,
  sub,
  sum,
  type Tensor,
  where,
} from "@lowrank/core";

/** A reflection I - 2 v vᵀ / vᵀv, as v [1, m] and 2 v / vᵀv [1, m]. */
type Reflection = readonly [v: Tensor, scaled: Tensor];

/** Returns the rows [n, m] reflected. */
function reflected(rows: Tensor, [v, scaled]: Reflection): Tensor {
  return sub(rows, matmul(matmul(rows, v, { transposeB: true }), scaled));
}

/** Returns the reflection that maps the row x [1, m] to a multiple of the first unit vector. The sign is LAPACK's. */
function reflectionOf(x: Tensor): Reflection {
  const first = slice(x, { dim: 1, start: 0, end: 1 });
  const length = sqrt(sum(square(x), { dim: 1, keepdim: true }));
  const head = sub(first, where(ge(first, 0), neg(length), length));
  const v = cat([head, slice(x, { dim: 1, start: 1 })], { dim: 1 });
  return [v, div(mul(v, 2), sum(square(v), { dim: 1, keepdim: true }))];
}

/**
 * Returns Qᵀ [n, m] of the QR decomposition of a matrix whose transpose is `rows` [n, m], n ≤ m. It is differentiable.
 * Householder reflections give the signs of LAPACK, and so of `torch.linalg.qr`.
 */
export function orthonormalRows(rows: Tensor): Tensor {
  const [n, m] = rows.shape;
  const reflections: Reflection[] = [];
  let rest = rows;
  // LAPACK does not reflect the last element of a square matrix.
  for (let k = 0; k < Math.min(n, m - 1); k++) {
    const reflection = reflectionOf(slice(rest, { dim: 0, start: 0, end: 1 }));
    reflections.push(reflection);
    if (k + 1 === n) break;
    const below = reflected(slice(rest, { dim: 0, start: 1 }), reflection);
    rest = slice(below, { dim: 1, start: 1 });
  }
  const unit = (width: number) => pad(ones([1, 1], { backend: rows.storage.backend }), [0, width - 1]);
  let basis: Tensor | null = reflections.length < n ? unit(1) : null;
  for (const reflection of reflections.toReversed()) {
    const first = unit(reflection[0].shape[1]);
    basis = reflected(basis ? cat([first, pad(basis, [1, 0])], { dim: 0 }) : first, reflection);
  }
  return basis as Tensor;
}
