/** A solver of linear equations with one matrix A [n, n] in f64, by elimination with partial pivoting. */
export class Elimination {
  readonly #n: number;
  /** The rows of L (below the diagonal) and U, in the order of the pivots. */
  readonly #rows: readonly Float64Array[];
  /** The row of A that became row i. */
  readonly #order: Int32Array;

  private constructor(n: number, rows: readonly Float64Array[], order: Int32Array) {
    this.#n = n;
    this.#rows = rows;
    this.#order = order;
  }

  /** Factors a row-major matrix. Returns null if a pivot is exactly 0, so that the matrix is singular. */
  static of(matrix: ArrayLike<number>, n: number): Elimination | null {
    const rows = Array.from({ length: n }, (_, i) => Float64Array.from({ length: n }, (_, j) => matrix[i * n + j]));
    const order = Int32Array.from({ length: n }, (_, i) => i);
    for (let k = 0; k < n; k++) {
      let best = k;
      for (let i = k + 1; i < n; i++) if (Math.abs(rows[i][k]) > Math.abs(rows[best][k])) best = i;
      [rows[k], rows[best]] = [rows[best], rows[k]];
      [order[k], order[best]] = [order[best], order[k]];
      const pivot = rows[k];
      if (pivot[k] === 0) return null;
      for (let i = k + 1; i < n; i++) {
        const row = rows[i];
        const factor = row[k] / pivot[k];
        row[k] = factor;
        if (factor === 0) continue;
        for (let j = k + 1; j < n; j++) row[j] -= factor * pivot[j];
      }
    }
    return new Elimination(n, rows, order);
  }

  /** Returns the solution x of A x = b. */
  solve(b: ArrayLike<number>): Float64Array {
    const n = this.#n;
    const x = Float64Array.from(this.#order, (i) => b[i]);
    for (let i = 1; i < n; i++) {
      const row = this.#rows[i];
      let sum = x[i];
      for (let j = 0; j < i; j++) sum -= row[j] * x[j];
      x[i] = sum;
    }
    for (let i = n - 1; i >= 0; i--) {
      const row = this.#rows[i];
      let sum = x[i];
      for (let j = i + 1; j < n; j++) sum -= row[j] * x[j];
      x[i] = sum / row[i];
    }
    return x;
  }

  /** Returns the inverse of A, row-major. */
  inverse(): Float64Array {
    const n = this.#n;
    const out = new Float64Array(n * n);
    for (let j = 0; j < n; j++) {
      const column = this.solve(Float64Array.from({ length: n }, (_, i) => (i === j ? 1 : 0)));
      for (let i = 0; i < n; i++) out[i * n + j] = column[i];
    }
    return out;
  }
}
