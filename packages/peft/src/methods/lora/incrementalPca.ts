import { cat, keep, mean, mul, scope, square, sub, sum, type Tensor, tensor } from "@lowrank/core";
import { subspaceSvd } from "./subspaceSvd.ts";

/**
 * Number of subspace iterations, each of which multiplies by the data and by the transposed data. The first batch
 * starts from random directions. Later batches start from the previous components, so they need fewer iterations.
 */
const turns = { first: 4, later: 2 };

/**
 * Principal component analysis of rows that arrive in batches. Keeps only the first `count` components, the mean and
 * the total variance. Ross et al. 2008, https://doi.org/10.1007/s11263-007-0075-7
 */
export class IncrementalPca implements Disposable {
  /** Number of components to keep. */
  readonly count: number;
  /** The principal components as unit vectors, [count, features]. Null before the first batch. */
  #components: Tensor | null = null;
  /** The mean of all rows, [features]. Null before the first batch. */
  #mean: Tensor | null = null;
  #values: Float64Array = new Float64Array(0);
  #rows = 0;
  /** The sum of squared distances of all rows from their mean. */
  #spread = 0;

  constructor(count: number) {
    this.count = count;
  }

  /** Singular values of the matrix of all rows after subtracting their mean, largest first. */
  get values(): Float64Array {
    return this.#values;
  }

  /** For each component, the fraction of the rows' total variance that it explains. */
  get ratios(): number[] {
    return Array.from(this.#values, (value) => (this.#spread > 0 ? (value * value) / this.#spread : 0));
  }

  /**
   * The principal components as unit vectors, [count, features]. Signs are chosen so that each component's entry of
   * largest magnitude is positive. Throws before the first batch.
   */
  get components(): Tensor {
    if (!this.#components) throw new Error("IncrementalPca: no rows were added");
    return this.#components;
  }

  /** Adds a batch of f32 rows [n, features]. n must be at least the number of components. */
  async add(x: Tensor): Promise<void> {
    const [n, features] = x.shape;
    const all = this.#rows + n;
    const before = this.#mean;
    const center = scope(() => mean(x, { dim: 0 }));
    const centred = scope(() => sub(x, center));
    let [stacked, between] = [centred, 0];
    if (before && this.#components) {
      const weight = Math.sqrt((this.#rows / all) * n);
      const components = this.#components;
      stacked = scope(() => {
        const scales = tensor(Float32Array.from(this.#values), { shape: [this.#values.length, 1] });
        const shift = mul(sub(before, center), weight).reshape([1, features]);
        return cat([mul(components, scales), centred, shift], { dim: 0 });
      });
      between = await total(scope(() => sum(square(mul(sub(before, center), weight)))));
    }
    this.#spread += (await total(scope(() => sum(square(centred))))) + between;
    const guess = this.#components;
    const { values, right } = await subspaceSvd(stacked, this.count, guess ? turns.later : turns.first, guess);
    const moved = before
      ? scope(() => mul(before, this.#rows / all).add(mul(center, n / all)))
      : scope(() => mul(center, 1));
    for (const old of [before, this.#components, center, centred, ...(stacked === centred ? [] : [stacked])])
      old?.dispose();
    this.#mean = keep(moved);
    this.#components = keep(tensor(right, { shape: [values.length, features] }));
    this.#values = values;
    this.#rows = all;
  }

  [Symbol.dispose](): void {
    this.#components?.dispose();
    this.#mean?.dispose();
    this.#components = null;
    this.#mean = null;
  }
}

/** Returns the value of a scalar tensor and frees it. */
async function total(t: Tensor): Promise<number> {
  using scalar = t;
  return scalar.item();
}
