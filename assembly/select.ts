// Comparisons to bytes of 0 and 1, and choices by such bytes. Strides as in elementwise.ts.
const EQ: i32 = 0;
const NE: i32 = 1;
const LT: i32 = 2;
const LE: i32 = 3;
const GT: i32 = 4;

// @ts-ignore: decorator
@inline
function holds<T>(relation: i32, a: T, b: T): bool {
  if (relation == EQ) return a == b;
  if (relation == NE) return a != b;
  if (relation == LT) return a < b;
  if (relation == LE) return a <= b;
  if (relation == GT) return a > b;
  return a >= b;
}

// @ts-ignore: decorator
@inline
function mask(relation: i32, a: v128, b: v128): v128 {
  if (relation == EQ) return f32x4.eq(a, b);
  if (relation == NE) return f32x4.ne(a, b);
  if (relation == LT) return f32x4.lt(a, b);
  if (relation == LE) return f32x4.le(a, b);
  if (relation == GT) return f32x4.gt(a, b);
  return f32x4.ge(a, b);
}

/** out (bytes) = whether relation number `relation` holds between the f32 operands. */
export function compare(
  a: usize, b: usize, out: usize, rows: i32, n: i32, aRow: i32, bRow: i32, aStep: i32, bStep: i32, relation: i32,
): void {
  const as = <usize>aStep << 2;
  const bs = <usize>bStep << 2;
  const one = i8x16.splat(1);
  for (; rows > 0; rows--) {
    let x = a;
    let y = b;
    let i = n;
    for (; i >= 4; i -= 4) {
      const m = mask(relation, aStep ? v128.load(x) : v128.load32_splat(x), bStep ? v128.load(y) : v128.load32_splat(y));
      // The first byte of each lane holds the answer.
      v128.store32_lane(out, v128.and(v128.shuffle<u8>(m, m, 0, 4, 8, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), one), 0);
      x += as << 2;
      y += bs << 2;
      out += 4;
    }
    for (; i > 0; i--) {
      store<u8>(out, <u8>holds<f32>(relation, load<f32>(x), load<f32>(y)));
      x += as;
      y += bs;
      out++;
    }
    a += <usize>aRow << 2;
    b += <usize>bRow << 2;
  }
}

/** `compare` for i32 operands. */
export function compareInt(
  a: usize, b: usize, out: usize, rows: i32, n: i32, aRow: i32, bRow: i32, aStep: i32, bStep: i32, relation: i32,
): void {
  for (; rows > 0; rows--) {
    let x = a;
    let y = b;
    for (let i = n; i > 0; i--) {
      store<u8>(out, <u8>holds<i32>(relation, load<i32>(x), load<i32>(y)));
      x += <usize>aStep << 2;
      y += <usize>bStep << 2;
      out++;
    }
    a += <usize>aRow << 2;
    b += <usize>bRow << 2;
  }
}

/** out = a where the condition's byte is not 0, else b, for 4-byte elements. */
export function where(
  condition: usize, a: usize, b: usize, out: usize, rows: i32, n: i32,
  conditionRow: i32, aRow: i32, bRow: i32, conditionStep: i32, aStep: i32, bStep: i32,
): void {
  const zero = i32x4.splat(0);
  for (; rows > 0; rows--) {
    let c = condition;
    let x = a;
    let y = b;
    let i = n;
    for (; i >= 4; i -= 4) {
      const bytes = conditionStep ? v128.load32_zero(c) : v128.load8_splat(c);
      const wide = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(bytes));
      const va = aStep ? v128.load(x) : v128.load32_splat(x);
      const vb = bStep ? v128.load(y) : v128.load32_splat(y);
      v128.store(out, v128.bitselect(va, vb, i32x4.ne(wide, zero)));
      c += <usize>conditionStep << 2;
      x += <usize>aStep << 4;
      y += <usize>bStep << 4;
      out += 16;
    }
    for (; i > 0; i--) {
      store<u32>(out, load<u8>(c) ? load<u32>(x) : load<u32>(y));
      c += <usize>conditionStep;
      x += <usize>aStep << 2;
      y += <usize>bStep << 2;
      out += 4;
    }
    condition += <usize>conditionRow;
    a += <usize>aRow << 2;
    b += <usize>bRow << 2;
  }
}
