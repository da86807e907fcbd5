import { add, affine, indexSelect, matmul, mul, solve, sub, type Tensor, tensor, zeros } from "@lowrank/core";
import type { MethodOption } from "../shared/recipe.ts";

/** Returns the identity matrix [n, n]. The caller frees it. */
export function identity(n: number, like: Tensor): Tensor {
  const { backend } = like.storage;
  return tensor(
    Float32Array.from({ length: n * n }, (_, i) => Number(i % (n + 1) === 0)),
    { shape: [n, n], backend },
  );
}

/** Index tables that expand the values above the diagonal into a full skew-symmetric matrix [size, size]. */
export interface SkewMap {
  readonly size: number;
  /** For each matrix element, the index of its value in the list of values above the diagonal: i32 [size²]. */
  readonly index: Tensor;
  /** The sign of each matrix element: 1 above the diagonal, -1 below, 0 on the diagonal; [size²]. */
  readonly sign: Tensor;
}

/** Creates the tables for matrices [size, size] whose values above the diagonal are stored row by row. */
export function skewMap(size: number, like: Tensor): SkewMap {
  const { backend } = like.storage;
  const index = new Int32Array(size * size);
  const sign = new Float32Array(size * size);
  let next = 0;
  for (let row = 0; row < size; row++) {
    for (let column = row + 1; column < size; column++) {
      for (const [place, value] of [[row * size + column, 1] as const, [column * size + row, -1] as const]) {
        index[place] = next;
        sign[place] = value;
      }
      next++;
    }
  }
  return { size, index: tensor(index, { backend }), sign: tensor(sign, { backend }) };
}

/** Expands the values above the diagonal, [n, size (size - 1) / 2], to skew-symmetric matrices [n, size, size]. */
export function skewSymmetric(upper: Tensor, { size, index, sign }: SkewMap): Tensor {
  if (size === 1) return zeros([upper.shape[0], 1, 1], { backend: upper.storage.backend });
  return mul(indexSelect(upper, index, { dim: 1 }), sign).reshape([-1, size, size]);
}

/**
 * Returns Cayley's transform (I - S)(I + S)⁻¹ of skew-symmetric matrices S [n, size, size]. The results are rotation
 * matrices.
 */
export function cayley(skew: Tensor): Tensor {
  const [n, size] = skew.shape;
  const unit = identity(size, skew).expand([n, size, size]);
  // The two factors commute, so one `solve` suffices.
  return solve(add(unit, skew), sub(unit, skew));
}

/**
 * Approximates Cayley's transform of -S by the Neumann series I + 2 S + 2 S² + ... + S^k, whose last term has no factor
 * 2. As in PEFT, k is `terms` - 1 for 4 or more terms, and 3 for 3 terms. For 2 terms, the series is I + 2 S; for 1
 * term, it is I.
 */
export function cayleyNeumann(skew: Tensor, terms: number): Tensor {
  const [n, size] = skew.shape;
  const unit = identity(size, skew);
  if (terms < 2) return unit.expand([n, size, size]);
  const twice = (t: Tensor) => affine(t, { scale: 2 });
  let sum = add(unit, twice(skew));
  if (terms < 3) return sum;
  let power = matmul(skew, skew);
  sum = add(sum, twice(power));
  for (let k = 3; k < terms - 1; k++) {
    power = matmul(power, skew);
    sum = add(sum, twice(power));
  }
  return add(sum, matmul(power, skew));
}

/**
 * Multiplies the i-th block of `size` features in x [..., n size] by matrix i of `blocks` [n, size, size]. If `blocks`
 * is [1, size, size], multiplies every block by that matrix.
 */
export function rotateBlocks(x: Tensor, blocks: Tensor): Tensor {
  const [n, size] = blocks.shape;
  if (n === 1) return matmul(x.reshape([-1, size]), blocks.reshape([size, size])).reshape(x.shape);
  const byBlock = x.reshape([-1, n, size]).permute([1, 0, 2]);
  return matmul(byBlock, blocks).permute([1, 0, 2]).reshape(x.shape);
}

/** Returns the command-line flags of the Cayley-Neumann series, which needs at least `leastTerms` terms. */
export function cayleyNeumannOptions(leastTerms: number): MethodOption[] {
  return [
    {
      field: "useCayleyNeumann",
      flag: "use-cayley-neumann",
      type: "oneOf",
      values: [true, false],
      help: "rotate by a series, which is nearly orthogonal",
    },
    {
      field: "numCayleyNeumannTerms",
      flag: "num-cayley-neumann-terms",
      type: "integer",
      least: leastTerms,
      help: "terms of the series",
    },
  ];
}
