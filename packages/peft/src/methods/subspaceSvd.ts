import { cat, Generator, matmul, randn, scope, type Tensor, tensor, truncatedQr, truncatedSvd } from "@lowrank/core";

/** The largest singular values of a matrix [rows, columns] and its right singular vectors. */
interface RightSvd {
  /** Largest first. */
  readonly values: Float64Array;
  /** [count, columns]; unit rows, each with its largest entry positive. */
  readonly right: Float32Array;
}

/** Directions that the iteration follows beside those wanted. */
const oversampling = 8;

/**
 * The `count` largest singular values and right singular vectors of an f32 matrix, nearly, from random directions and, where
 * there is one, a `guess` [n, columns]: each turn multiplies by the matrix and back. The same every time. The whole work is
 * in products of few columns, so that large weights take seconds. Halko et al. 2011, https://arxiv.org/abs/0909.4061
 */
export function subspaceSvd(matrix: Tensor, count: number, turns: number, guess: Tensor | null = null): RightSvd {
  const [rows, columns] = matrix.shape;
  const kept = Math.min(count, rows, columns);
  const width = Math.min(count + oversampling, rows, columns);
  return scope(() => {
    const { backend } = matrix.storage;
    const random = randn([columns, width - (guess?.shape[0] ?? 0)], { generator: new Generator(42), backend });
    let basis = orthonormal(guess ? cat([guess.transpose(0, 1), random], { dim: 1 }) : random);
    for (let turn = 0; turn < turns; turn++) {
      basis = scope(() => {
        const image = orthonormal(matmul(matrix, basis));
        return orthonormal(matmul(matrix, image, { transposeA: true }));
      });
    }
    const image = matmul(matrix, basis).dataSync() as Float32Array;
    const { values, right } = truncatedSvd(image, rows, width, kept);
    return { values, right: combined(right, basis.dataSync() as Float32Array, kept, columns) };
  });
}

/** Rows of `weights` [count, width] times the columns of `basis` [columns, width]. */
function combined(weights: Float64Array, basis: Float32Array, count: number, columns: number): Float32Array {
  const width = weights.length / count;
  const rows = new Float32Array(count * columns);
  for (let k = 0; k < count; k++) {
    const row = rows.subarray(k * columns, (k + 1) * columns);
    for (let j = 0; j < columns; j++) {
      let value = 0;
      for (let q = 0; q < width; q++) value += weights[k * width + q] * basis[j * width + q];
      row[j] = value;
    }
    const largest = row.reduce((most, value) => (Math.abs(value) > Math.abs(most) ? value : most), 0);
    if (largest < 0) for (let j = 0; j < columns; j++) row[j] = -row[j];
  }
  return rows;
}

/** Orthonormal columns that span those of a matrix. */
function orthonormal(matrix: Tensor): Tensor {
  const [rows, columns] = matrix.shape;
  const { q } = truncatedQr(matrix.dataSync() as Float32Array, rows, columns, columns);
  return tensor(Float32Array.from(q), { shape: [rows, columns], backend: matrix.storage.backend });
}
