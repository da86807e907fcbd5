/**
 * Returns the high 32 bits of the product of two 32-bit words. It multiplies 16-bit halves, since the product of 32-bit
 * words is not exact in JavaScript numbers.
 */
function mulHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = (Math.imul(aHigh, bLow) + (Math.imul(aLow, bLow) >>> 16)) | 0;
  const carry = (Math.imul(aLow, bHigh) + (middle & 0xffff)) | 0;
  return (Math.imul(aHigh, bHigh) + (middle >>> 16) + (carry >>> 16)) | 0;
}

/**
 * Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): writes the four random words for
 * the 128-bit counter c0..c3 and the 64-bit key k0, k1 to `out`. Arguments are taken modulo 2^32.
 */
export function philox(c0: number, c1: number, c2: number, c3: number, k0: number, k1: number, out: Uint32Array): void {
  let x0 = c0 | 0;
  let x1 = c1 | 0;
  let x2 = c2 | 0;
  let x3 = c3 | 0;
  let key0 = k0 | 0;
  let key1 = k1 | 0;
  for (let round = 0; round < 10; round++) {
    const high0 = mulHigh(0xd2511f53, x0);
    const high1 = mulHigh(0xcd9e8d57, x2);
    const low0 = Math.imul(0xd2511f53, x0);
    const low1 = Math.imul(0xcd9e8d57, x2);
    x0 = high1 ^ x1 ^ key0;
    x1 = low1;
    x2 = high0 ^ x3 ^ key1;
    x3 = low0;
    key0 = (key0 + 0x9e3779b9) | 0;
    key1 = (key1 + 0xbb67ae85) | 0;
  }
  out[0] = x0;
  out[1] = x1;
  out[2] = x2;
  out[3] = x3;
}

/** Returns the largest f32 below the f32 `x`. */
function floatBelow(x: number): number {
  if (x === 0) return -(2 ** -149);
  const float = Float32Array.of(x);
  new Int32Array(float.buffer)[0] += x > 0 ? -1 : 1;
  return float[0];
}

/** The complete state of a `Generator`, as plain JSON. */
export interface GeneratorState {
  seed: number;
  /** Two words that identify a fork (see `Generator.fork`). [0, 0] is the generator that was created from the seed. */
  stream: [number, number];
  offset: number;
}

/** The map of the innermost `watchGenerators`, where generators note the state before their first value; or null. */
export const generatorWatch: { current: Map<Generator, GeneratorState> | null } = { current: null };

/**
 * A counter-based random number generator. Value number i depends only on the seed, the fork (see `Generator.fork`) and
 * i. So the values are the same no matter how drawing them is divided between calls, threads or backends. `offset` is
 * the index of the next value. Filling an array advances it by the array's length.
 */
export class Generator {
  #seed = 0;
  #stream: [number, number] = [0, 0];
  #offset = 0;
  readonly #words: Uint32Array = new Uint32Array(4);
  #block = -1;

  /** `seed` is an integer from 0 to 2^53 - 1. */
  constructor(seed: number) {
    this.state = { seed, stream: [0, 0], offset: 0 };
  }

  /** Number of values drawn so far. */
  get offset(): number {
    return this.#offset;
  }

  set offset(offset: number) {
    checkCount("offset", offset);
    this.#note();
    this.#offset = offset;
  }

  /** A copy of the state, for a checkpoint. */
  get state(): GeneratorState {
    return { seed: this.#seed, stream: [...this.#stream], offset: this.#offset };
  }

  set state({ seed, stream, offset }: GeneratorState) {
    checkCount("seed", seed);
    checkCount("offset", offset);
    if (stream.length !== 2 || !stream.every((word) => Number.isInteger(word) && word >>> 0 === word)) {
      throw new Error(`Generator: stream [${stream}] is not two integers from 0 to 2^32 - 1`);
    }
    this.#note();
    this.#seed = seed;
    this.#stream = [...stream];
    this.#offset = offset;
    this.#block = -1;
  }

  #note(): void {
    const found = generatorWatch.current;
    if (found && !found.has(this)) found.set(this, this.state);
  }

  /**
   * Rounds both bounds to f32, and fills `out` with uniform values in [low, high). Possible values are (high - low) /
   * 2^24 apart.
   */
  fillUniform(out: Float32Array, low = 0, high = 1): void {
    const from = Math.fround(low);
    const to = Math.fround(high);
    if (!Number.isFinite(from) || !Number.isFinite(to) || from > to) {
      throw new Error(`fillUniform: low ${low} and high ${high} must be finite f32 numbers with low <= high`);
    }
    const start = this.#advance(out.length);
    const step = (to - from) * 2 ** -24;
    // low + u * (high - low) can round to high itself in f32.
    const last = from === to ? from : floatBelow(to);
    for (let i = 0; i < out.length; i++) out[i] = Math.min(from + (this.#word(start + i) >>> 8) * step, last);
  }

  /**
   * Fills `out` with normally distributed values (Box-Muller method). Values 2j and 2j + 1 are computed from the same
   * pair of random words. In rare cases the last bit of a value differs between JavaScript engines, whose Math.log, cos
   * and sin differ.
   */
  fillNormal(out: Float32Array, mean = 0, std = 1): void {
    if (!Number.isFinite(mean) || !Number.isFinite(std) || std < 0) {
      throw new Error(`fillNormal: mean ${mean} and std ${std} must be finite, and std at least 0`);
    }
    const start = this.#advance(out.length);
    let radius = 0;
    let angle = 0;
    for (let i = 0; i < out.length; i++) {
      const position = start + i;
      const odd = (position & 1) === 1;
      if (!odd || i === 0) {
        const first = odd ? position - 1 : position;
        // In (0, 1], so that the logarithm is finite.
        radius = std * Math.sqrt(-2 * Math.log((this.#word(first) + 1) * 2 ** -32));
        angle = 2 * Math.PI * 2 ** -32 * this.#word(first + 1);
      }
      out[i] = mean + radius * (odd ? Math.sin(angle) : Math.cos(angle));
    }
  }

  /** Fills `out` with integers in [low, high), all equally likely. Both bounds are within -2^31..2^31. */
  fillInt(out: Int32Array, low: number, high: number): void {
    if (!Number.isInteger(low) || !Number.isInteger(high) || low < -(2 ** 31) || high > 2 ** 31 || low >= high) {
      throw new Error(`fillInt: low ${low} and high ${high} must be integers in -2^31..2^31 with low < high`);
    }
    const start = this.#advance(out.length);
    for (let i = 0; i < out.length; i++) out[i] = low + this.#below(start + i, high - low);
  }

  /** Returns the integers 0..n-1 in random order (Fisher and Yates). Advances `offset` by n. */
  permutation(n: number): Int32Array {
    if (!Number.isInteger(n) || n < 0 || n > 2 ** 31) {
      throw new Error(`permutation: n is ${n}; it must be an integer from 0 to 2^31`);
    }
    const start = this.#advance(n);
    const out = new Int32Array(n);
    for (let i = 0; i < n; i++) {
      const j = this.#below(start + i, i + 1);
      out[i] = out[j];
      out[j] = i;
    }
    return out;
  }

  /**
   * Returns an independent generator that starts at offset 0. `name` is an integer from 0 to 2^32 - 1, or a text, which
   * is hashed to such an integer. The values of the new generator depend only on `name` and on this generator's seed
   * and `stream`. They do not depend on this generator's offset, which does not change.
   */
  fork(name: number | string): Generator {
    const stream = typeof name === "string" ? hash(name) : name;
    if (!Number.isInteger(stream) || stream >>> 0 !== stream) {
      throw new Error(`fork: stream is ${stream}; it must be an integer from 0 to 2^32 - 1`);
    }
    const words = new Uint32Array(4);
    // No draw uses a counter with this second word, since the offset is below 2^53.
    philox(stream, 0xffffffff, this.#stream[0], this.#stream[1], this.#seed, Math.floor(this.#seed / 2 ** 32), words);
    const child = new Generator(this.#seed);
    child.state = { seed: this.#seed, stream: [words[0], words[1]], offset: 0 };
    return child;
  }

  #advance(count: number): number {
    const start = this.#offset;
    this.offset = start + count;
    return start;
  }

  /** Returns the random word at a position: word position % 4 of block floor(position / 4). */
  #word(position: number): number {
    const block = Math.floor(position / 4);
    if (block !== this.#block) {
      this.#draw(block, 0);
      this.#block = block;
    }
    return this.#words[position & 3];
  }

  /**
   * Computes the four random words of a block. `attempt` is 0 for the first draw; if `#below` rejects a word, it draws
   * the block again with the next attempt. The attempt is stored in the upper 12 bits of the counter's second
   * word, which are free because a block index has at most 51 bits.
   */
  #draw(block: number, attempt: number): void {
    const stream = this.#stream;
    const blockHigh = Math.floor(block / 2 ** 32) | (attempt << 20);
    philox(block, blockHigh, stream[0], stream[1], this.#seed, Math.floor(this.#seed / 2 ** 32), this.#words);
  }

  /**
   * Returns an integer in 0..range-1 from the random word at a position, for range <= 2^32. All integers are equally
   * likely, because words that would cause a bias are drawn again (Lemire 2019).
   */
  #below(position: number, range: number): number {
    const rejected = 2 ** 32 % range;
    let word = this.#word(position);
    for (let attempt = 1; Math.imul(word, range) >>> 0 < rejected; attempt++) {
      this.#draw(Math.floor(position / 4), attempt);
      this.#block = -1;
      word = this.#words[position & 3];
    }
    return range === 2 ** 32 ? word : mulHigh(word, range) >>> 0;
  }
}

/** Hashes a text to an integer from 0 to 2^32 - 1 (FNV-1a). */
function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return h >>> 0;
}

function checkCount(what: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new Error(`Generator: ${what} is ${value}; it must be an integer from 0 to 2^53 - 1`);
  }
}
