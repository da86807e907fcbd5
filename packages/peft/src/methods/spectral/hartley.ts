import { add, type Backend, matmul, mul, scope, sub, type Tensor, tensor } from "@lowrank/core";

/**
 * Cosine and sine tables for a transform of length n = n1 n2, which is computed as transforms of the shorter lengths n1
 * and n2.
 */
interface Plan {
  readonly n1: number;
  readonly n2: number;
  /** Table for the transform of length n1, [n1, n1]. */
  readonly first: Turns;
  /** Table for the transform of length n2, [n2, n2]. */
  readonly second: Turns;
  /** Table of the twiddle factors that are applied between the two transforms, [n1, n2]. */
  readonly between: Turns;
}

interface Turns {
  readonly cos: Tensor;
  readonly sin: Tensor;
}

/**
 * Upper limit of n1 and n2, which bounds the size of the tables. Only lengths with a large prime factor exceed the
 * limit.
 */
const mostTable = 4096;

/** A discrete Hartley transform along the last dimension, for one length n and one backend. */
export class Hartley {
  readonly #plan: Plan;

  /**
   * Creates the cosine and sine tables. Throws if n has a prime factor that is too large; the message contains `whose`,
   * the layer's path.
   */
  constructor(n: number, backend: Backend, whose: string) {
    const n1 = nearestFactor(n);
    const n2 = n / n1;
    if (n2 > mostTable) {
      throw new Error(
        `${whose}: a Fourier transform of size ${n} would need a table of ${n2} x ${n2} values, which is too large; leave the layer out`,
      );
    }
    const turns = (rows: number, columns: number, period: number): Turns => {
      const angles = Float64Array.from({ length: rows * columns }, (_, i) => {
        return (2 * Math.PI * ((Math.floor(i / columns) * (i % columns)) % period)) / period;
      });
      const shape = [rows, columns];
      return {
        cos: tensor(Float32Array.from(angles, Math.cos), { shape, backend }),
        sin: tensor(Float32Array.from(angles, Math.sin), { shape, backend }),
      };
    };
    this.#plan = { n1, n2, first: turns(n1, n1, n1), second: turns(n2, n2, n2), between: turns(n1, n2, n) };
  }

  /** The tensors of all tables. The creator of the transform must free them. */
  get tables(): readonly Tensor[] {
    const { first, second, between } = this.#plan;
    return [first, second, between].flatMap(({ cos, sin }) => [cos, sin]);
  }

  /**
   * Returns the Hartley transform of x [rows, n]: Σ_i x_i (cos(2π i k / n) + sin(2π i k / n)) for each k, [rows, n]
   * (Hartley 1942). The transform is symmetric and, up to a factor n, its own inverse. It is computed as matrix
   * products, in two steps of shorter Fourier transforms.
   */
  transform(x: Tensor): Tensor {
    const { n1, n2, first, second, between } = this.#plan;
    const rows = x.shape[0];
    return scope(() => {
      // With i = i1 n2 + i2 and k = k1 + n1 k2: first over i1 ...
      const apart = x.reshape([rows, n1, n2]);
      const [re, im] = [matmul(first.cos, apart), matmul(first.sin, apart)];
      // ... then multiply by the twiddle factors of i2 k1 / n, and sum real and imaginary part over i2.
      const turnedRe = sub(mul(re, between.cos), mul(im, between.sin));
      const turnedIm = add(mul(re, between.sin), mul(im, between.cos));
      const cosPart = matmul(add(turnedRe, turnedIm).reshape([-1, n2]), second.cos);
      const sinPart = matmul(sub(turnedRe, turnedIm).reshape([-1, n2]), second.sin);
      return add(cosPart, sinPart)
        .reshape([rows, n1, n2])
        .permute([0, 2, 1])
        .reshape([rows, n1 * n2]);
    });
  }
}

/** Returns the largest factor of n that is at most √n. */
function nearestFactor(n: number): number {
  let factor = Math.floor(Math.sqrt(n));
  while (n % factor !== 0) factor--;
  return factor;
}
