import {
  cat,
  Generator,
  matmul,
  noGrad,
  randn,
  scope,
  type Tensor,
  tensor,
  truncatedQr,
  truncatedSvd,
} from "@lowrank/core";

/** The largest singular values of a matrix [rows, columns] and its right singular vectors. */
interface RightSvd {
  /** The singular values, largest first. */
  readonly values: Float64Array;
  /**
   * The right singular vectors as unit rows, [count, columns]. Signs are chosen so that each row's entry of largest
   * magnitude is positive.
   */
  readonly right: Float32Array;
}

/** Number of additional directions that the iteration tracks. They make the requested directions more accurate. */
const oversampling = 8;

/**
 * Approximates the `count` largest singular values and right singular vectors of an f32 matrix. Starts from `guess` [n,
 * columns], if given, and from pseudorandom directions with a fixed seed, so results are reproducible. Each of the
 * `turns` iterations multiplies by the matrix and by its transpose. The matrix is only multiplied by matrices of few
 * columns, so even large weights take only seconds. Halko et al. 2011, https://arxiv.org/abs/0909.4061
 */
export async function subspaceSvd(
  matrix: Tensor,
  count: number,
  turns: number,
  guess: Tensor | null = null,
): Promise<RightSvd> {
  const [rows, columns] = matrix.shape;
  const width = Math.min(count + oversampling, rows, columns);
  const { backend } = matrix.storage;
  let basis = await orthonormal(
    apart(() => {
      const random = randn([columns, width - (guess?.shape[0] ?? 0)], { generator: new Generator(42), backend });
      return guess ? cat([guess.transpose(0, 1), random], { dim: 1 }) : random;
    }),
  );
  for (let turn = 0; turn < turns; turn++) {
    using start = basis;
    using image = await orthonormal(apart(() => matmul(matrix, start)));
    basis = await orthonormal(apart(() => matmul(matrix, image, { transposeA: true })));
  }
  using last = basis;
  using image = apart(() => matmul(matrix, last));
  const [product, directions] = [await image.data(), await last.data()] as [Float32Array, Float32Array];
  const wanted = Math.min(count, rows, columns);
  const { values, right } = truncatedSvd(product, rows, width, wanted);
  return { values, right: combined(right, directions, wanted, columns) };
}

/** Runs `fn` without gradients and frees all tensors that it creates except its result. */
function apart(fn: () => Tensor): Tensor {
  return noGrad(() => scope(fn));
}

/**
 * Returns the product [count, columns] of `weights` [count, width] and the transpose of `basis` [columns, width].
 * Changes the sign of a row if its entry of largest magnitude is negative.
 */
function combined(weights: Float64Array, basis: Float32Array, count: number, columns: number): Float32Array {
  const width = weights.length / count;
  const rows = new Float32Array(count * columns);
  for (let k = 0; k < count; k++) {
    const row = Float32Array.from({ length: columns }, (_, j) => {
      let value = 0;
      for (let q = 0; q < width; q++) value += weights[k * width + q] * basis[j * width + q];
      return value;
    });
    const largest = row.reduce((most, value) => (Math.abs(value) > Math.abs(most) ? value : most), 0);
    rows.set(largest < 0 ? row.map((value) => -value) : row, k * columns);
  }
  return rows;
}

/**
 * Returns a matrix with orthonormal columns that span the same space as the given matrix's columns. Frees the given
 * matrix.
 */
async function orthonormal(matrix: Tensor): Promise<Tensor> {
  using own = matrix;
  const [rows, columns] = own.shape;
  const { q } = truncatedQr((await own.data()) as Float32Array, rows, columns, columns);
  return tensor(Float32Array.from(q), { shape: [rows, columns], backend: own.storage.backend });
}
