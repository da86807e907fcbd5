// Functions of f32 in WGSL. Drivers' own functions are too inaccurate, or differ for special values: some fold `x != x`
// to false, and return NaN or finite values at infinity. So special values are detected by their bits, and the rest is
// computed with arithmetic alone.

/** WGSL that detects and makes special values; WGSL lacks literals for NaN and infinity. */
export const specialCode: string = `
var<private> nanBits: u32 = 0x7fc00000u;
var<private> infinityBits: u32 = 0x7f800000u;
fn nan() -> f32 { return bitcast<f32>(nanBits); }
fn infinity(sign: u32) -> f32 { return bitcast<f32>(infinityBits | (sign & 0x80000000u)); }
fn isNan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }
fn magnitudeOf(x: f32) -> u32 { return bitcast<u32>(x) & 0x7fffffffu; }
fn withSign(magnitude: f32, sign: f32) -> f32 {
  return bitcast<f32>((bitcast<u32>(magnitude) & 0x7fffffffu) | (bitcast<u32>(sign) & 0x80000000u));
}`;

/**
 * WGSL: maps floats to integers with the same order, and back. -0 is below 0, and NaN above all. Unlike floats, the
 * integers compare exactly, including subnormals.
 */
export const orderCode: string = `
fn orderOf(bits: u32) -> i32 {
  if ((bits & 0x7fffffffu) > 0x7f800000u) { return 0x7fffffff; }
  let b = bitcast<i32>(bits);
  return b ^ ((b >> 31u) & 0x7fffffff);
}
fn bitsOfOrder(order: i32) -> u32 { return bitcast<u32>(order ^ ((order >> 31u) & 0x7fffffff)); }`;

/**
 * WGSL: two functions that map the bits of floats to integers, so that the element to select has the largest integer.
 * `rankOf` is for maxima, `lowRankOf` for minima. 0 and -0 get the same integer, and NaN gets the largest one in both.
 */
export const rankCode: string = `${orderCode}
fn rankOf(bits: u32) -> i32 { return select(orderOf(bits), 0, bits == 0x80000000u); }
fn lowRankOf(bits: u32) -> i32 {
  let rank = rankOf(bits);
  return select(-rank, rank, rank == 0x7fffffff);
}`;

/**
 * WGSL: `scaleBy(y, n)` returns y * 2^n, in two steps since 2^n alone may overflow. `expNearZero(r)` returns e^r for
 * |r| up to 0.35.
 */
const scaleCode = `
fn powerOfTwo(n: i32) -> f32 { return bitcast<f32>(u32(n + 127) << 23u); }
fn scaleBy(y: f32, n: i32) -> f32 {
  let half = n >> 1u;
  return y * powerOfTwo(half) * powerOfTwo(n - half);
}
fn expNearZero(r: f32) -> f32 {
  let p = 0.5 + r * (0.16666667 + r * (0.041666668 + r * (0.008333334 + r * (0.0013888889 + r * 0.0001984127))));
  return 1.0 + (r + r * r * p);
}`;

const exp = `
fn expOf(x: f32) -> f32 {
  if (isNan(x)) { return x; }
  if (x > 88.72284) { return infinity(0u); }
  if (x < -103.98) { return 0.0; }
  let n = floor(x * 1.4426950408889634 + 0.5);
  let r = (x - n * 0.693359375) - n * -0.00021219444170128554;
  return scaleBy(expNearZero(r), i32(n));
}`;

/** WGSL: splits a positive f32, given by its bits, into m 2^e with m near 1. */
const partsCode = `
struct Parts { m: f32, e: i32 }
fn partsOf(bits: u32) -> Parts {
  var b = bits;
  var e = i32(b >> 23u) - 127;
  if (e == -127) {
    let shift = countLeadingZeros(b) - 8u;
    b <<= shift;
    e = -126 - i32(shift);
  }
  var m = bitcast<f32>((b & 0x7fffffu) | 0x3f800000u);
  if (m > 1.4142135) { m *= 0.5; e += 1; }
  return Parts(m, e);
}`;

const log = `
fn logOf(x: f32) -> f32 {
  let b = bitcast<u32>(x);
  if (isNan(x)) { return x; }
  if ((b & 0x7fffffffu) == 0u) { return infinity(0x80000000u); }
  if (b >= 0x80000000u) { return nan(); }
  if (b == 0x7f800000u) { return x; }
  let parts = partsOf(b);
  let f = parts.m - 1.0;
  let s = f / (2.0 + f);
  let z = s * s;
  let r = z * (0.6666667 + z * (0.4 + z * (0.2857143 + z * (0.22222222 + z * 0.18181819))));
  let half = 0.5 * f * f;
  let n = f32(parts.e);
  return n * 0.693359375 - ((half - (s * (half + r) + n * -0.00021219444170128554)) - f);
}`;

const sqrt = `
fn sqrtOf(x: f32) -> f32 {
  let b = bitcast<u32>(x);
  if ((b & 0x7fffffffu) == 0u || b == 0x7f800000u || isNan(x)) { return x; }
  if (b >= 0x80000000u) { return nan(); }
  if (b < 0x00800000u) { return sqrt(f32(b)) * 3.7433923e-23; }
  let y = sqrt(x);
  let p = product(y, y);
  return y + ((x - p.x) - p.y) / (2.0 * y);
}`;

/** WGSL: exact sums and products of two f32, returned as the rounded value and its rounding error. */
export const pairCode: string = `
fn upperHalf(x: f32) -> f32 { return bitcast<f32>(bitcast<u32>(x) & 0xfffff000u); }
fn product(a: f32, b: f32) -> vec2f {
  let p = a * b;
  let ah = upperHalf(a);
  let bh = upperHalf(b);
  let al = a - ah;
  let bl = b - bh;
  return vec2f(p, ((ah * bh - p) + ah * bl + al * bh) + al * bl);
}
fn twoSum(a: f32, b: f32) -> vec2f {
  let s = a + b;
  let t = s - a;
  return vec2f(s, (a - (s - t)) + (b - t));
}`;

/** WGSL: `mulHigh(a, b)` returns the upper 32 bits of the 64-bit product, computed from 16-bit halves. */
export const mulHighCode: string = `
fn mulHigh(a: u32, b: u32) -> u32 {
  let al = a & 0xffffu;
  let ah = a >> 16u;
  let bl = b & 0xffffu;
  let bh = b >> 16u;
  let middle = ah * bl + ((al * bl) >> 16u);
  let carry = al * bh + (middle & 0xffffu);
  return ah * bh + (middle >> 16u) + (carry >> 16u);
}`;

/**
 * WGSL: `quarterOf(x)` splits x into a whole number of quarter turns (pi / 2) and a rest. For large x it uses Payne and
 * Hanek's method: it multiplies by the 96 bits of 2 / pi that matter. `twoOverPi` holds the bits of 2 / pi, after a
 * word of zeros.
 */
const trigonometry = `
var<private> twoOverPi: array<u32, 10> = array<u32, 10>(
  0u, 0xa2f9836eu, 0x4e441529u, 0xfc2757d1u, 0xf534ddc0u, 0xdb629599u, 0x3c439041u, 0xfe5163abu, 0xdebbc561u, 0xb7246e3au);
fn bitsOfTwoOverPi(at: u32) -> u32 {
  let word = at >> 5u;
  let shift = at & 31u;
  if (shift == 0u) { return twoOverPi[word]; }
  return (twoOverPi[word] << shift) | (twoOverPi[word + 1u] >> (32u - shift));
}
struct Quarter { turns: i32, rest: f32 }
fn quarterOf(x: f32) -> Quarter {
  let a = abs(x);
  if (a < 4096.0) {
    let n = floor(x * 0.63661977 + 0.5);
    let r = (((x - n * 1.5703125) - n * 0.0004837512969970703) - n * 7.549533620476723e-08) - n * 2.5633440682570896e-12;
    return Quarter(i32(n), r);
  }
  let b = bitcast<u32>(a);
  let m = (b & 0x7fffffu) | 0x800000u;
  let at = (b >> 23u) - 150u + 29u;
  let p0 = bitsOfTwoOverPi(at);
  let p1 = bitsOfTwoOverPi(at + 32u);
  let p2 = bitsOfTwoOverPi(at + 64u);
  let low = m * p1 + mulHigh(m, p2);
  let carry = select(0u, 1u, low < m * p1);
  let high = m * p0 + mulHigh(m, p1) + carry;
  var turns = i32(high >> 29u);
  let fraction = (high << 3u) | (low >> 29u);
  if (fraction >= 0x80000000u) { turns += 1; }
  let rest = (f32(bitcast<i32>(fraction)) * 2.3283064365386963e-10 + f32(low << 3u) * 5.421010862427522e-20) * 1.5707963;
  if (x < 0.0) { return Quarter(-turns, -rest); }
  return Quarter(turns, rest);
}
fn sineNearZero(r: f32) -> f32 {
  let z = r * r;
  return r + r * z * (-0.16666667 + z * (0.008333334 + z * (-0.0001984127 + z * 2.7557319e-6)));
}
fn cosineNearZero(r: f32) -> f32 {
  let z = r * r;
  return 1.0 + z * (-0.5 + z * (0.041666668 + z * (-0.0013888889 + z * (2.4801587e-5 + z * -2.7557319e-7))));
}
fn sineOfQuarter(q: Quarter, more: i32) -> f32 {
  let turns = q.turns + more;
  let y = select(sineNearZero(q.rest), cosineNearZero(q.rest), (turns & 1) == 1);
  return select(y, -y, (turns & 2) == 2);
}
fn sinOf(x: f32) -> f32 {
  if (magnitudeOf(x) >= 0x7f800000u) { return nan(); }
  if (magnitudeOf(x) < 0x39000000u) { return x; }
  return sineOfQuarter(quarterOf(x), 0);
}
fn cosOf(x: f32) -> f32 {
  if (magnitudeOf(x) >= 0x7f800000u) { return nan(); }
  return sineOfQuarter(quarterOf(x), 1);
}`;

const tanh = `
fn tanhOf(x: f32) -> f32 {
  if (isNan(x)) { return x; }
  let a = abs(x);
  if (a < 0.5) {
    let z = x * x;
    return x + x * z * (-0.33333334 + z * (0.13333334 + z * (-0.053968254 + z * (0.021869488
      + z * (-0.008863236 + z * (0.003592128 + z * -0.0014558344))))));
  }
  if (a > 9.1) { return withSign(1.0, x); }
  return withSign(1.0 - 2.0 / (expOf(2.0 * a) + 1.0), x);
}`;

const erf = `
fn erfOf(x: f32) -> f32 {
  if (isNan(x)) { return x; }
  let a = abs(x);
  if (a < 1.0) {
    let z = x * x;
    return x * 1.1283792 * (1.0 + z * (-0.33333334 + z * (0.1 + z * (-0.023809524 + z * (0.0046296297
      + z * (-0.00075757574 + z * (0.00010683761 + z * (-1.3227513e-5 + z * (1.4589169e-6
      + z * (-1.4503853e-7 + z * 1.3122533e-8))))))))));
  }
  if (a > 4.0) { return withSign(1.0, x); }
  let t = (a - 2.5) / 1.6;
  let g = 0.21080636978149414 + t * (-0.11895571649074554 + t * (0.06384121626615524 + t * (-0.03277548402547836
    + t * (0.016168838366866112 + t * (-0.007683980278670788 + t * (0.0035352252889424562 + t * (-0.0016078576445579529
    + t * (0.0006997214513830841 + t * (-0.0002456624642945826 + t * (9.949688683263958e-05
    + t * (-8.006471762200817e-05 + t * 3.2018579076975584e-05)))))))))));
  return withSign(1.0 - expOf(-a * a) * g, x);
}`;

/** Division. Subnormal operands, which drivers flush to 0, are divided as the integers that their bits represent. */
const div = `
fn divOf(a: f32, b: f32) -> f32 {
  let ma = magnitudeOf(a);
  let mb = magnitudeOf(b);
  if ((ma - 1u) < 0x7fffffu || (mb - 1u) < 0x7fffffu) {
    let subA = ma < 0x00800000u;
    let subB = mb < 0x00800000u;
    let q = select(abs(a), f32(ma), subA) / select(abs(b), f32(mb), subB);
    let scaled = scaleBy(q, select(0, -149, subA && !subB) + select(0, 149, subB && !subA));
    return bitcast<f32>((bitcast<u32>(scaled) & 0x7fffffffu) | ((bitcast<u32>(a) ^ bitcast<u32>(b)) & 0x80000000u));
  }
  return a / b;
}`;

/** Multiplication. A subnormal times infinity must be infinity, but drivers flush the subnormal to 0 and return NaN. */
const mul = `
fn wideOf(m: u32) -> f32 { return select(bitcast<f32>(m), f32(m) * 1.1920929e-7, m < 0x00800000u); }
fn mulOf(a: f32, b: f32) -> f32 {
  let ma = magnitudeOf(a);
  let mb = magnitudeOf(b);
  if ((ma - 1u) < 0x7fffffu || (mb - 1u) < 0x7fffffu) {
    let n = select(0, -126, ma < 0x00800000u) + select(0, -126, mb < 0x00800000u);
    let scaled = scaleBy(wideOf(ma) * wideOf(mb), max(n, -200));
    return bitcast<f32>((bitcast<u32>(scaled) & 0x7fffffffu) | ((bitcast<u32>(a) ^ bitcast<u32>(b)) & 0x80000000u));
  }
  return a * b;
}`;

/**
 * `pow` as in C. log2 |a| is computed as a sum of two f32, since b multiplies its error. ln m = 2 artanh(s), where s =
 * (m - 1) / (m + 1).
 */
const pow = `
fn logTwo(x: f32) -> vec2f {
  let parts = partsOf(bitcast<u32>(x));
  let f = parts.m - 1.0;
  let d = twoSum(parts.m, 1.0);
  let s = f / d.x;
  let p = product(s, d.x);
  let sLow = (((f - p.x) - p.y) - s * d.y) / d.x;
  let z = s * s;
  let more = s * z * (0.33333334 + z * (0.2 + z * (0.14285715 + z * (0.11111111 + z * 0.09090909))));
  let t = twoSum(2.0 * s, 2.0 * (sLow + more));
  let scaled = product(t.x, 1.4426950216293335);
  let whole = twoSum(f32(parts.e), scaled.x);
  return vec2f(whole.x, whole.y + (scaled.y + t.x * 1.925963033500011e-08 + t.y * 1.442695));
}
fn powOf(a: f32, b: f32) -> f32 {
  let mb = magnitudeOf(b);
  if (bitcast<u32>(a) == 0x3f800000u || mb == 0u) { return 1.0; }
  if (isNan(a) || isNan(b)) { return nan(); }
  let ma = magnitudeOf(a);
  let downward = bitcast<u32>(b) >= 0x80000000u;
  if (mb == 0x7f800000u) {
    if (ma == 0x3f800000u) { return 1.0; }
    if ((ma > 0x3f800000u) == downward) { return 0.0; }
    return infinity(0u);
  }
  let whole = mb >= 0x4b000000u || (mb >= 0x3f800000u && floor(b) == b);
  let odd = whole && mb < 0x4b800000u && (u32(abs(b)) & 1u) == 1u;
  let sign = select(0u, bitcast<u32>(a) & 0x80000000u, odd);
  if (ma == 0u || ma == 0x7f800000u) {
    if ((ma == 0u) == downward) { return infinity(sign); }
    return bitcast<f32>(sign);
  }
  if (bitcast<u32>(a) >= 0x80000000u && !whole) { return nan(); }
  let l = logTwo(bitcast<f32>(ma));
  var p = b * l.x;
  if (p > 129.0) { return infinity(sign); }
  if (p < -151.0) { return bitcast<f32>(sign); }
  let exact = product(b, l.x);
  let n = floor(exact.x + 0.5);
  let r = (exact.x - n) + (exact.y + b * l.y);
  let y = scaleBy(expNearZero(r * 0.6931472), i32(n));
  return bitcast<f32>(bitcast<u32>(y) | sign);
}`;

/** Names of functions that WGSL code may call as `expOf(x)`, `logOf(x)`, ... */
export type MathName = "exp" | "log" | "sqrt" | "sin" | "cos" | "tanh" | "erf" | "pow" | "mul" | "div";

/** For each function, its WGSL after the WGSL of the functions that it calls. */
const functions: Readonly<Record<MathName, readonly string[]>> = {
  exp: [scaleCode, exp],
  log: [partsCode, log],
  sqrt: [pairCode, sqrt],
  sin: [mulHighCode, trigonometry],
  cos: [mulHighCode, trigonometry],
  tanh: [scaleCode, exp, tanh],
  erf: [scaleCode, exp, erf],
  pow: [pairCode, scaleCode, partsCode, pow],
  mul: [scaleCode, mul],
  div: [scaleCode, div],
};

/** Returns WGSL with the functions of these names, and `specialCode`. */
export function mathCode(...names: readonly MathName[]): string {
  return [...new Set([specialCode, ...names.flatMap((name) => functions[name])])].join("\n");
}
