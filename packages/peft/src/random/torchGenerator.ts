const size = 624;
const shift = 397;
/** Maximum n of `randperm`. For larger n, PyTorch uses another algorithm. */
const mostPermuted = 214748364;

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** Rounds a finite number to f32, and then to the nearest bf16 number, halves to even. */
export function roundToBf16(value: number): number {
  float[0] = value;
  bits[0] += 0x7fff + ((bits[0] >>> 16) & 1);
  bits[0] &= 0xffff0000;
  return float[0];
}

/** Turns 16 numbers from [0, 1) into normal ones: the first 8 give lengths, and the others angles. */
function boxMuller(numbers: Float32Array): void {
  for (let i = 0; i < 8; i++) {
    const length = Math.sqrt(-2 * Math.log(1 - numbers[i]));
    const angle = 2 * Math.PI * numbers[i + 8];
    numbers[i] = length * Math.cos(angle);
    numbers[i + 8] = length * Math.sin(angle);
  }
}

/**
 * PyTorch's CPU random number generator after `manual_seed`: MT19937 (Matsumoto and Nishimura 1998). Some adapter files
 * contain a seed instead of values, so the random numbers must equal PyTorch's bit for bit.
 */
export class TorchGenerator {
  readonly #state = new Int32Array(size);
  #next = size;

  /** `seed` is used modulo 2^32. Throws unless it is an integer. */
  constructor(seed: number) {
    if (!Number.isSafeInteger(seed)) throw new Error(`TorchGenerator: seed is ${seed}; it must be an integer`);
    const state = this.#state;
    state[0] = seed;
    for (let i = 1; i < size; i++) state[i] = Math.imul(1812433253, state[i - 1] ^ (state[i - 1] >>> 30)) + i;
  }

  #twist(): void {
    const state = this.#state;
    for (let i = 0; i < size; i++) {
      const y = (state[i] & 0x80000000) | (state[(i + 1) % size] & 0x7fffffff);
      state[i] = state[(i + shift) % size] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.#next = 0;
  }

  /** Returns an integer from 0 to 2^32 - 1. */
  random(): number {
    if (this.#next === size) this.#twist();
    let y = this.#state[this.#next++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  /**
   * Returns the values that `torch.empty(count).uniform_(low, high)` draws. On processors without fused multiply-add
   * (built before 2013), the last bits of PyTorch's values differ.
   */
  uniform(count: number, low: number, high: number): Float32Array {
    const from = Math.fround(low);
    const width = Math.fround(Math.fround(high) - from);
    // The sum needs 47 bits, so float64 computes it exactly before it is rounded.
    return Float32Array.from({ length: count }, () => (this.random() & 0xffffff) * 2 ** -24 * width + from);
  }

  /**
   * Returns the values that `torch.empty(count, dtype=torch.bfloat16).uniform_(low, high)` draws in PyTorch 2.15, whose
   * older versions draw other ones: float32 values rounded to bf16, and `low` for values that round to `high`.
   */
  uniformBf16(count: number, low: number, high: number): Float32Array {
    const [least, most] = [roundToBf16(low), roundToBf16(high)];
    return this.uniform(count, low, high).map((value) => {
      const rounded = roundToBf16(value);
      return rounded >= most ? least : rounded;
    });
  }

  /** Returns a number from 0 up to but excluding 1 with 53 random bits, as NumPy's `RandomState.random_sample` does. */
  sample(): number {
    const [high, low] = [this.random() >>> 5, this.random() >>> 6];
    return (high * 2 ** 26 + low) / 2 ** 53;
  }

  /**
   * Returns the values that `torch.normal(0, std, (count,))` draws, except for rounding in the last bits. These are
   * the values of `torch.randn(count)`, multiplied by `std`.
   */
  normal(count: number, std = 1): Float32Array {
    if (count < 16) return this.#fewNormal(count, std);
    const out = this.uniform(count, 0, 1);
    // The last block of 16 is drawn again if the blocks do not fit.
    const starts = Array.from({ length: Math.floor(count / 16) }, (_, i) => 16 * i);
    for (const start of starts) boxMuller(out.subarray(start, start + 16));
    if (count % 16 > 0) {
      const last = out.subarray(count - 16);
      last.set(this.uniform(16, 0, 1));
      boxMuller(last);
    }
    return std === 1 ? out : out.map((value) => value * Math.fround(std));
  }

  /** PyTorch draws fewer than 16 numbers one after the other, in f64. */
  #fewNormal(count: number, std: number): Float32Array {
    const uniform = () => {
      const high = this.random() & 0x1fffff;
      return (high * 2 ** 32 + this.random()) / 2 ** 53;
    };
    const pairs = Array.from({ length: Math.ceil(count / 2) }, () => {
      const angle = 2 * Math.PI * uniform();
      const length = Math.sqrt(-2 * Math.log1p(-uniform()));
      return [length * Math.cos(angle), length * Math.sin(angle)];
    });
    return Float32Array.from(pairs.flat().slice(0, count), (value) => value * std);
  }

  /**
   * Returns the first `count` values of `torch.randperm(n)`. Throws if n is 2^32 / 20 or more, for which PyTorch uses
   * another algorithm.
   */
  randperm(n: number, count: number): Int32Array {
    if (n > mostPermuted) {
      throw new Error(`TorchGenerator: randperm of ${n} is not supported; the most is ${mostPermuted}`);
    }
    const moved = new Map<number, number>();
    const at = (i: number) => moved.get(i) ?? i;
    return Int32Array.from({ length: count }, (_, i) => {
      const other = i === n - 1 ? i : i + (this.random() % (n - i));
      const drawn = at(other);
      moved.set(other, at(i));
      return drawn;
    });
  }
}
