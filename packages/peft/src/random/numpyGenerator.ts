/** Number of 32-bit words in a SeedSequence's pool. */
const words = 4;
/** Number of 16-bit digits in the 128-bit state. */
const digits = 8;
const bits32 = 0xffffffffn;
/** The multiplier of PCG64's 128-bit congruential generator, in digits of 16 bits, the lowest first. */
const multiplier = [0xf645, 0x9fcc, 0xdf64, 0x4385, 0x5da4, 0x1fc6, 0xed05, 0x2360];
/** Up to this number of items, `choice` never lists all of them. */
const mostSparse = 10_000;

/** Splits a seed into words of 32 bits, the lowest first. */
function seedWords(seed: number): number[] {
  const low = seed >>> 0;
  const high = Math.floor(seed / 2 ** 32);
  return high > 0 ? [low, high] : [low];
}

/** Mixes `value` with the running constant of NumPy's SeedSequence, and renews the constant. */
function hashing(start: number, factor: number): (value: number) => number {
  let constant = start;
  return (value) => {
    const mixed = value ^ constant;
    constant = Math.imul(constant, factor);
    const product = Math.imul(mixed, constant);
    return product ^ (product >>> 16);
  };
}

/** Returns the first 8 words of 32 bits that NumPy's SeedSequence derives from a seed. */
function seedState(seed: number): number[] {
  const hash = hashing(0x43b0d7e5, 0x931e8875);
  const given = seedWords(seed);
  const pool = Array.from({ length: words }, (_, i) => hash(given[i] ?? 0));
  for (let from = 0; from < words; from++) {
    for (let to = 0; to < words; to++) {
      if (from === to) continue;
      const mixed = Math.imul(0xca01f9dd, pool[to]) - Math.imul(0x4973f715, hash(pool[from]));
      pool[to] = mixed ^ (mixed >>> 16);
    }
  }
  const out = hashing(0x8b51f9dd, 0x58f38ded);
  return Array.from({ length: 2 * words }, (_, i) => out(pool[i % words]) >>> 0);
}

/**
 * NumPy's `default_rng(seed)`: PCG64 (O'Neill 2014), seeded by a SeedSequence. Some adapter files contain a seed
 * instead of indices, so the random numbers must equal NumPy's.
 */
export class NumpyGenerator {
  /** The 128-bit state, in digits of 16 bits, the lowest first. */
  readonly #state: number[];
  /** The odd number that each step adds, in digits of 16 bits. */
  readonly #increment: number[];
  /** The high half of the last 64-bit number, if only its low half was used. */
  #half: number | null = null;

  /** Throws unless `seed` is an integer of at least 0. */
  constructor(seed: number) {
    if (!Number.isSafeInteger(seed) || seed < 0) {
      throw new Error(`NumpyGenerator: seed is ${seed}; it must be an integer of at least 0`);
    }
    // NumPy joins the words to 64-bit numbers, of which the high one comes first.
    const [a, b, c, d, e, f, g, h] = seedState(seed);
    const stream = inDigits([g, h, e, f]);
    this.#increment = stream.map((digit, i) => ((digit << 1) & 0xffff) | (i > 0 ? stream[i - 1] >>> 15 : 1));
    let carry = 0;
    this.#state = inDigits([c, d, a, b]).map((digit, i) => {
      const sum = digit + this.#increment[i] + carry;
      carry = sum >>> 16;
      return sum & 0xffff;
    });
    this.#step();
  }

  /** Multiplies the state by the multiplier and adds the increment, modulo 2^128. */
  #step(): void {
    const state = this.#state;
    const next: number[] = [];
    let sum = 0;
    for (let i = 0; i < digits; i++) {
      sum += this.#increment[i];
      for (let j = 0; j <= i; j++) sum += state[j] * multiplier[i - j];
      next.push(sum % 65536);
      sum = Math.floor(sum / 65536);
    }
    for (let i = 0; i < digits; i++) state[i] = next[i];
  }

  /** Returns an integer from 0 to 2^32 - 1: the low half of the next 64-bit number, and then its high half. */
  random(): number {
    if (this.#half !== null) {
      const half = this.#half;
      this.#half = null;
      return half;
    }
    this.#step();
    const [a, b, c, d, e, f, g, h] = this.#state;
    // The halves of the state, one xor the other, are rotated by its highest 6 bits.
    const halves = [(a ^ e) | ((b ^ f) << 16), (c ^ g) | ((d ^ h) << 16)];
    const [low, high] = h >>> 15 === 1 ? halves.reverse() : halves;
    const by = (h >>> 10) & 31;
    this.#half = ((high >>> by) | ((low << 1) << (31 - by))) >>> 0;
    return ((low >>> by) | ((high << 1) << (31 - by))) >>> 0;
  }

  /** Returns an integer from 0 to `most`, by Lemire's method. `most` is below 2^32 - 1. */
  #bounded(most: number): number {
    if (most === 0) return 0;
    const count = BigInt(most + 1);
    const least = (bits32 - BigInt(most)) % count;
    let product = BigInt(this.random()) * count;
    while ((product & bits32) < least) product = BigInt(this.random()) * count;
    return Number(product >> 32n);
  }

  /** Returns an integer from 0 to `most`, by rejection. `most` is at least 1 and below 2^32. */
  #interval(most: number): number {
    const mask = 0xffffffff >>> Math.clz32(most);
    let number = (this.random() & mask) >>> 0;
    while (number > most) number = (this.random() & mask) >>> 0;
    return number;
  }

  /** Returns the values of `choice(count, size, replace=False)`: distinct integers from 0 to `count` - 1. */
  choice(count: number, size: number): Int32Array {
    if (count > mostSparse && size > Math.floor(count / 50)) {
      const all = Int32Array.from({ length: count }, (_, i) => i);
      for (let i = count - 1; i >= Math.max(count - size, 1); i--) swap(all, i, this.#bounded(i));
      return all.slice(count - size);
    }
    const seen = new Set<number>();
    for (let i = count - size; i < count; i++) {
      const drawn = this.#bounded(i);
      seen.add(seen.has(drawn) ? i : drawn);
    }
    const chosen = Int32Array.from(seen);
    for (let i = size - 1; i >= 1; i--) swap(chosen, i, this.#bounded(i));
    return chosen;
  }

  /** Shuffles an array in place, as `Generator.shuffle` does. */
  shuffle(values: Int32Array): void {
    for (let i = values.length - 1; i >= 1; i--) swap(values, i, this.#interval(i));
  }
}

function swap(values: Int32Array, i: number, j: number): void {
  [values[i], values[j]] = [values[j], values[i]];
}

/** Splits words of 32 bits, the lowest first, into digits of 16 bits. */
function inDigits(numbers: readonly number[]): number[] {
  return numbers.flatMap((number) => [number & 0xffff, number >>> 16]);
}
