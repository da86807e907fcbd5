import {
  cat,
  Generator,
  keep,
  matmul,
  mean,
  mul,
  randn,
  scope,
  square,
  sub,
  sum,
  type Tensor,
  tensor,
  truncatedQr,
  truncatedSvd,
} from "@lowrank/core";

/** How often subspace iteration multiplies by the data and back: from a random start, and from the components before. */
const turns = { first: 4, later: 2 };

/** Directions that subspace iteration follows beside those wanted. */
const oversampling = 8;

/**
 * Principal components of rows that come in batches: of each batch, only the first components, the mean and the spread are
 * kept. Ross et al. 2008, https://doi.org/10.1007/s11263-007-0075-7
 */
export class IncrementalPca implements Disposable {
  /** How many components are kept. */
  readonly count: number;
  /** [count, features], unit rows. */
  #components: Tensor | null = null;
  /** [features] */
  #mean: Tensor | null = null;
  #values: Float64Array = new Float64Array(0);
  #rows = 0;
  /** The sum of squares of all rows around their mean. */
  #spread = 0;

  constructor(count: number) {
    this.count = count;
  }

  /** Singular values of the centred rows, largest first. */
  get values(): Float64Array {
    return this.#values;
  }

  /** The share of the rows' variance along each component. */
  get ratios(): number[] {
    return Array.from(this.#values, (value) => (this.#spread > 0 ? (value * value) / this.#spread : 0));
  }

  /** Unit vectors [count, features], each with its largest entry positive. Throws before the first batch. */
  get components(): Tensor {
    if (!this.#components) throw new Error("IncrementalPca: no rows were added");
    return this.#components;
  }

  /** Takes rows [n, features] of f32 in; n must be at least the count of components. */
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
    const { values, right } = await topRight(stacked, this.count, this.#components);
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

/** A single number; frees the tensor. */
async function total(t: Tensor): Promise<number> {
  using scalar = t;
  return scalar.item();
}

/**
 * The `count` largest singular values of a matrix and its right singular vectors, by subspace iteration from `guess` and
 * random directions. Halko et al. 2011, https://arxiv.org/abs/0909.4061
 */
async function topRight(
  matrix: Tensor,
  count: number,
  guess: Tensor | null,
): Promise<{ values: Float64Array; right: Float32Array }> {
  const [rows, columns] = matrix.shape;
  const kept = Math.min(count, rows, columns);
  const width = Math.min(count + oversampling, rows, columns);
  let basis = scope(() => {
    const random = randn([columns, width - (guess?.shape[0] ?? 0)], {
      generator: new Generator(42),
      backend: matrix.storage.backend,
    });
    return guess ? cat([guess.transpose(0, 1), random], { dim: 1 }) : random;
  });
  for (let turn = 0; turn < (guess ? turns.later : turns.first); turn++) {
    basis = await orthonormal(basis);
    const image = await orthonormal(scope(() => matmul(matrix, basis)));
    basis.dispose();
    basis = scope(() => matmul(matrix, image, { transposeA: true }));
    image.dispose();
  }
  basis = await orthonormal(basis);
  using image = scope(() => matmul(matrix, basis));
  const small = truncatedSvd((await image.data()) as Float32Array, rows, width, kept);
  const vectors = (await basis.data()) as Float32Array;
  basis.dispose();
  const right = new Float32Array(kept * columns);
  for (let k = 0; k < kept; k++) {
    const row = right.subarray(k * columns, (k + 1) * columns);
    for (let j = 0; j < columns; j++) {
      let value = 0;
      for (let q = 0; q < width; q++) value += small.right[k * width + q] * vectors[j * width + q];
      row[j] = value;
    }
    const largest = row.reduce((most, value) => (Math.abs(value) > Math.abs(most) ? value : most), 0);
    if (largest < 0) for (let j = 0; j < columns; j++) row[j] = -row[j];
  }
  return { values: small.values, right };
}

/** Orthonormal columns that span those of a matrix, which is freed. */
async function orthonormal(matrix: Tensor): Promise<Tensor> {
  using source = matrix;
  const [rows, columns] = source.shape;
  const { q } = truncatedQr((await source.data()) as Float32Array, rows, columns, columns);
  return tensor(Float32Array.from(q), { shape: [rows, columns], backend: source.storage.backend });
}
