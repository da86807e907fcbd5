import { add, type Backend, cat, matmul, pad, slice, type Tensor, tensor } from "@lowrank/core";
import { wavelets } from "./wavelets.gen.ts";

/** Returns the names of the wavelets. */
export const waveletNames = (): readonly string[] => Object.keys(wavelets);

/**
 * One level of a discrete wavelet transform of rows of `size` values. Its inverse adds, for each coefficient, a shifted
 * copy of the low-pass or the high-pass filter. A row has `pairs` low-pass and `pairs` high-pass coefficients, more
 * than values if the filters are longer than 2. Coefficients are stored in turns: low, high, low, high.
 *
 * Both filters have an even length, 2 q. Values are therefore handled in pairs: values 2 b and 2 b + 1 depend on the
 * coefficients b to b + q - 1, and on q blocks [2, 2] of the filters.
 */
export class Wavelet {
  /** Number of low-pass coefficients, which is also the number of high-pass coefficients. */
  readonly pairs: number;
  readonly #size: number;
  /** Half the length of the filters. */
  readonly #half: number;
  /** The filters, [2 q, 2]. Row 2 i + p is what coefficient b + i adds to value 2 b + p: low-pass, high-pass. */
  readonly filters: Tensor;

  constructor(size: number, name: string, backend: Backend) {
    const low = wavelets[name];
    const length = low.length;
    this.#size = size;
    this.#half = length / 2;
    this.pairs = Math.ceil(size / 2) + this.#half - 1;
    const high = low.map((_, i) => (i % 2 === 0 ? 1 : -1) * low[length - 1 - i]);
    const values = Array.from({ length: this.#half }, (_, i) => length - 2 * (i + 1)).flatMap((start) =>
      [start, start + 1].flatMap((at) => [low[at], high[at]]),
    );
    this.filters = tensor(Float32Array.from(values), { shape: [length, 2], backend });
  }

  /** The transpose of the inverse transform. Maps x [rows, size] to the coefficients [rows, 2 pairs]. */
  analyze(x: Tensor): Tensor {
    const [rows] = x.shape;
    const half = this.#half;
    const width = 2 * Math.ceil(this.#size / 2);
    // Coefficient m depends on the pairs m - q + 1 to m.
    const margin = 2 * (half - 1);
    const padded = margin > 0 || width > this.#size ? pad(x, [margin, margin + width - this.#size]) : x;
    const shifted = padded.reshape([rows, this.pairs + half - 1, 2]);
    const end = this.pairs;
    // Pair m - i is at m - i + q - 1 of the padded row.
    const windows = Array.from({ length: half }, (_, i) => {
      return half === 1 ? shifted : slice(shifted, { dim: 1, start: half - 1 - i, end: half - 1 - i + end });
    });
    const joined = half === 1 ? shifted : cat(windows, { dim: 2 });
    return matmul(joined, this.filters).reshape([rows, 2 * this.pairs]);
  }

  /** The inverse transform. Maps coefficients [rows, 2 pairs] to values [rows, size]. */
  synthesize(coefficients: Tensor): Tensor {
    const [rows] = coefficients.shape;
    const half = this.#half;
    const count = Math.ceil(this.#size / 2);
    const shares = matmul(coefficients.reshape([rows, this.pairs, 2]), this.filters, { transposeB: true });
    let sum: Tensor | null = null;
    for (let i = 0; i < half; i++) {
      const rowsOf = half === 1 ? shares : slice(shares, { dim: 1, start: i, end: i + count });
      const part = half === 1 ? rowsOf : slice(rowsOf, { dim: 2, start: 2 * i, end: 2 * i + 2 });
      sum = sum ? add(sum, part) : part;
    }
    const values = sum!.reshape([rows, 2 * count]);
    return values.shape[1] === this.#size ? values : slice(values, { dim: 1, end: this.#size });
  }
}
