// Comparisons to bytes of 0 and 1, and selections by such bytes. Strides as in elementwise.ts.
const EQ: i32 = 0;
const NE: i32 = 1;
const LT: i32 = 2;
const LE: i32 = 3;
const GT: i32 = 4;
const GE: i32 = 5;

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

/**
 * Compares the elements of one row. If an operand has stride 0, a single element is used for the whole row and loaded
 * only once.
 */
// @ts-ignore: decorator
@inline
function compareRow(relation: i32, a: usize, b: usize, out: usize, n: i32, fixedA: bool, fixedB: bool): void {
  const a0 = v128.load32_splat(a);
  const b0 = v128.load32_splat(b);
  const one = i8x16.splat(1);
  for (; n >= 4; n -= 4) {
    const m = mask(relation, fixedA ? a0 : v128.load(a), fixedB ? b0 : v128.load(b));
    // The first byte of each lane holds the result.
    v128.store32_lane(out, v128.and(v128.shuffle<u8>(m, m, 0, 4, 8, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), one), 0);
    if (!fixedA) a += 16;
    if (!fixedB) b += 16;
    out += 4;
  }
  for (; n > 0; n--) {
    store<u8>(out, <u8>holds<f32>(relation, load<f32>(a), load<f32>(b)));
    if (!fixedA) a += 4;
    if (!fixedB) b += 4;
    out++;
  }
}

// @ts-ignore: decorator
@inline
function compareRows(
  relation: i32, a: usize, b: usize, out: usize, rows: i32, n: i32, aRow: i32, bRow: i32, aStep: i32, bStep: i32,
): void {
  for (; rows > 0; rows--) {
    if (bStep == 0) compareRow(relation, a, b, out, n, false, true);
    else if (aStep == 0) compareRow(relation, a, b, out, n, true, false);
    else compareRow(relation, a, b, out, n, false, false);
    a += <usize>aRow << 2;
    b += <usize>bRow << 2;
    out += <usize>n;
  }
}

/** Compares two f32 operands: writes a byte 1 where the relation number `relation` holds, otherwise 0. */
export function compare(
  a: usize, b: usize, out: usize, rows: i32, n: i32, aRow: i32, bRow: i32, aStep: i32, bStep: i32, relation: i32,
): void {
  if (relation == EQ) compareRows(EQ, a, b, out, rows, n, aRow, bRow, aStep, bStep);
  else if (relation == NE) compareRows(NE, a, b, out, rows, n, aRow, bRow, aStep, bStep);
  else if (relation == LT) compareRows(LT, a, b, out, rows, n, aRow, bRow, aStep, bStep);
  else if (relation == LE) compareRows(LE, a, b, out, rows, n, aRow, bRow, aStep, bStep);
  else if (relation == GT) compareRows(GT, a, b, out, rows, n, aRow, bRow, aStep, bStep);
  else compareRows(GE, a, b, out, rows, n, aRow, bRow, aStep, bStep);
}

/** Compares two i32 operands: writes a byte 1 where the relation number `relation` holds, otherwise 0. */
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

/**
 * Selects the elements of one row. If a value has stride 0, a single element is used for the whole row and loaded only
 * once.
 */
// @ts-ignore: decorator
@inline
function whereRow(c: usize, a: usize, b: usize, out: usize, n: i32, fixedA: bool, fixedB: bool): void {
  const a0 = v128.load32_splat(a);
  const b0 = v128.load32_splat(b);
  const zero = i32x4.splat(0);
  for (; n >= 4; n -= 4) {
    const wide = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(c)));
    const x = fixedA ? a0 : v128.load(a);
    const y = fixedB ? b0 : v128.load(b);
    v128.store(out, v128.bitselect(y, x, i32x4.eq(wide, zero)));
    c += 4;
    if (!fixedA) a += 16;
    if (!fixedB) b += 16;
    out += 16;
  }
  for (; n > 0; n--) {
    store<u32>(out, load<u8>(c) ? load<u32>(a) : load<u32>(b));
    c++;
    if (!fixedA) a += 4;
    if (!fixedB) b += 4;
    out += 4;
  }
}

/** Selects 4-byte elements: out = a where the condition's byte is not 0, otherwise b. */
export function where(
  condition: usize, a: usize, b: usize, out: usize, rows: i32, n: i32,
  conditionRow: i32, aRow: i32, bRow: i32, conditionStep: i32, aStep: i32, bStep: i32,
): void {
  for (; rows > 0; rows--) {
    if (conditionStep == 0) {
      // The row has one condition, so the chosen operand is copied.
      const chosen = load<u8>(condition) ? a : b;
      const step = load<u8>(condition) ? aStep : bStep;
      for (let i = 0; i < n; i++) store<u32>(out + (<usize>i << 2), load<u32>(chosen + (<usize>(i * step) << 2)));
    } else if (bStep == 0 && aStep == 0) whereRow(condition, a, b, out, n, true, true);
    else if (bStep == 0) whereRow(condition, a, b, out, n, false, true);
    else if (aStep == 0) whereRow(condition, a, b, out, n, true, false);
    else whereRow(condition, a, b, out, n, false, false);
    condition += <usize>conditionRow;
    a += <usize>aRow << 2;
    b += <usize>bRow << 2;
    out += <usize>n << 2;
  }
}
