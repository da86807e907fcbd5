/**
 * Returns the smaller of A Aᵀ and Aᵀ A for a row-major matrix A [rows, columns]. Its eigenvalues are the squares of A's
 * singular values.
 */
export function smallerGram(a: Float64Array, rows: number, columns: number): Float64Array {
  return rows < columns ? gram(a, rows, columns) : gram(transpose(a, rows, columns), columns, rows);
}

function transpose(a: Float64Array, rows: number, columns: number): Float64Array {
  const out = new Float64Array(a.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = a[i * columns + j];
  return out;
}

/** Returns a aᵀ for a [n, k]. It computes four sums at the same time, which is faster because they are independent. */
function gram(a: Float64Array, n: number, k: number): Float64Array {
  const out = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j += 4) {
      const [x, y] = [i * k, j * k];
      // Indices beyond the last row read the last row, and are not stored.
      const [y1, y2, y3] = [1, 2, 3].map((d) => Math.min(j + d, n - 1) * k);
      let [s0, s1, s2, s3] = [0, 0, 0, 0];
      for (let p = 0; p < k; p++) {
        const factor = a[x + p];
        s0 += factor * a[y + p];
        s1 += factor * a[y1 + p];
        s2 += factor * a[y2 + p];
        s3 += factor * a[y3 + p];
      }
      for (const [d, sum] of [s0, s1, s2, s3].entries()) {
        if (j + d > i) break;
        out[i * n + j + d] = sum;
        out[(j + d) * n + i] = sum;
      }
    }
  }
  return out;
}
