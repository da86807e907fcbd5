// Dropout by counter-based random numbers: Philox4x32-10 (Salmon et al. 2011), value i from
// word i % 4 of counter i / 4.

const M0: u32 = 0xd2511f53;
const M1: u32 = 0xcd9e8d57;
const W0: u32 = 0x9e3779b9;
const W1: u32 = 0xbb67ae85;

/**
 * Constants of Philox (two multipliers and two key increments), then 0, 1, 2, 3. Loops load them from memory, since V8
 * would build vector constants again at each use.
 */
const TABLE: usize = memory.data<u32>([0xd2511f53, 0xcd9e8d57, 0x9e3779b9, 0xbb67ae85, 0, 1, 2, 3], 16);

/**
 * Applies dropout to n elements, one at a time. It is used before the first complete group of four elements and after
 * the last one. The random words of a group come from one value of the Philox counter.
 */
function dropoutSome(
  x: usize, out: usize, n: i32, position: u64, seedLow: u32, seedHigh: u32, streamLow: u32, streamHigh: u32, threshold: u32, scale: f32,
): void {
  while (n > 0) {
    let x0 = <u32>(position >> 2);
    let x1 = <u32>(position >> 34);
    let x2 = streamLow;
    let x3 = streamHigh;
    let key0 = seedLow;
    let key1 = seedHigh;
    for (let round = 0; round < 10; round++) {
      const product0 = <u64>x0 * <u64>M0;
      const product1 = <u64>x2 * <u64>M1;
      x0 = <u32>(product1 >> 32) ^ x1 ^ key0;
      x1 = <u32>product1;
      x2 = <u32>(product0 >> 32) ^ x3 ^ key1;
      x3 = <u32>product0;
      key0 += W0;
      key1 += W1;
    }
    for (let word = <i32>(position & 3); word < 4 && n > 0; word++) {
      const bits = word < 2 ? (word == 0 ? x0 : x1) : word == 2 ? x2 : x3;
      store<f32>(out, bits >> 8 < threshold ? 0 : load<f32>(x) * scale);
      x += 4;
      out += 4;
      n--;
      position++;
    }
  }
}

/** Multiplies the unsigned 32-bit lanes of two vectors, and returns the upper 32 bits of each 64-bit product. */
// @ts-ignore: decorator
@inline
function mulHigh(a: v128, b: v128): v128 {
  return v128.shuffle<i32>(i64x2.extmul_low_i32x4_u(a, b), i64x2.extmul_high_i32x4_u(a, b), 1, 3, 5, 7);
}

/**
 * Applies dropout. The random stream is a sequence of uniform values from 0 to 1, and element i uses the value with the
 * index `offset` + i. out[i] is 0 if this value is below `threshold` / 2^24, otherwise x[i] * scale. `seed` is the key
 * of the Philox generator, `stream` the upper words of its counter.
 */
export function dropout(
  x: usize, out: usize, n: i32, offset: f64, seedLow: u32, seedHigh: u32, streamLow: u32, streamHigh: u32, threshold: u32, scale: f32,
): void {
  let position = <u64>offset;
  const head = min(n, <i32>((4 - (position & 3)) & 3));
  dropoutSome(x, out, head, position, seedLow, seedHigh, streamLow, streamHigh, threshold, scale);
  x += <usize>head << 2;
  out += <usize>head << 2;
  position += head;
  n -= head;
  const limit = i32x4.splat(threshold);
  const factor = f32x4.splat(scale);
  // Processes four counters at a time, one in each lane.
  for (; n >= 16; n -= 16) {
    const first = i32x4.splat(<u32>(position >> 2));
    let x0 = i32x4.add(first, v128.load(TABLE, 16));
    let x1 = i32x4.sub(i32x4.splat(<u32>(position >> 34)), i32x4.lt_u(x0, first));
    let x2 = i32x4.splat(streamLow);
    let x3 = i32x4.splat(streamHigh);
    let key0 = i32x4.splat(seedLow);
    let key1 = i32x4.splat(seedHigh);
    for (let round = 0; round < 10; round++) {
      const m0 = v128.load32_splat(TABLE);
      const m1 = v128.load32_splat(TABLE, 4);
      const high0 = mulHigh(x0, m0);
      const high1 = mulHigh(x2, m1);
      const low0 = i32x4.mul(x0, m0);
      const low1 = i32x4.mul(x2, m1);
      x0 = v128.xor(v128.xor(high1, x1), key0);
      x1 = low1;
      x2 = v128.xor(v128.xor(high0, x3), key1);
      x3 = low0;
      key0 = i32x4.add(key0, v128.load32_splat(TABLE, 8));
      key1 = i32x4.add(key1, v128.load32_splat(TABLE, 12));
    }
    const a = v128.shuffle<i32>(x0, x1, 0, 4, 1, 5);
    const b = v128.shuffle<i32>(x2, x3, 0, 4, 1, 5);
    const c = v128.shuffle<i32>(x0, x1, 2, 6, 3, 7);
    const d = v128.shuffle<i32>(x2, x3, 2, 6, 3, 7);
    keep(x, out, v128.shuffle<i64>(a, b, 0, 2), limit, factor);
    keep(x + 16, out + 16, v128.shuffle<i64>(a, b, 1, 3), limit, factor);
    keep(x + 32, out + 32, v128.shuffle<i64>(c, d, 0, 2), limit, factor);
    keep(x + 48, out + 48, v128.shuffle<i64>(c, d, 1, 3), limit, factor);
    x += 64;
    out += 64;
    position += 16;
  }
  dropoutSome(x, out, n, position, seedLow, seedHigh, streamLow, streamHigh, threshold, scale);
}

/** Applies dropout to four elements, whose random words are `bits`. */
// @ts-ignore: decorator
@inline
function keep(x: usize, out: usize, bits: v128, limit: v128, factor: v128): void {
  const dropped = i32x4.lt_s(i32x4.shr_u(bits, 8), limit);
  v128.store(out, v128.andnot(f32x4.mul(v128.load(x), factor), dropped));
}
