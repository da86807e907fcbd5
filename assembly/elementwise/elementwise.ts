// Elementwise functions of two arrays over a plane of rows: each operand has a stride between rows
// and a stride of 0 (one value, repeated) or 1 within a row, in elements; the output is contiguous.
import { storePair } from "../simd/lanes";

const ADD: i32 = 0;
const SUB: i32 = 1;
const MUL: i32 = 2;
const DIV: i32 = 3;
const MAXIMUM: i32 = 4;
const MINIMUM: i32 = 5;

/**
 * Applies the binary function with the number `f` to four pairs of floats. `f` is a constant in each call, so the
 * compiler keeps only one branch.
 */
// @ts-ignore: decorator
@inline
function apply(f: i32, a: v128, b: v128): v128 {
  return f == ADD ? f32x4.add(a, b)
    : f == SUB ? f32x4.sub(a, b)
    : f == MUL ? f32x4.mul(a, b)
    : f == DIV ? f32x4.div(a, b)
    : f == MAXIMUM ? f32x4.max(a, b)
    : f32x4.min(a, b);
}

/**
 * Computes one row of a binary function. If an operand has stride 0, a single element is used for the whole row and
 * loaded only once.
 */
// @ts-ignore: decorator
@inline
function row(f: i32, a: usize, b: usize, out: usize, n: i32, fixedA: bool, fixedB: bool): void {
  const a0 = v128.load32_splat(a);
  const b0 = v128.load32_splat(b);
  for (; n >= 16; n -= 16) {
    const r0 = apply(f, fixedA ? a0 : v128.load(a), fixedB ? b0 : v128.load(b));
    const r1 = apply(f, fixedA ? a0 : v128.load(a, 16), fixedB ? b0 : v128.load(b, 16));
    const r2 = apply(f, fixedA ? a0 : v128.load(a, 32), fixedB ? b0 : v128.load(b, 32));
    const r3 = apply(f, fixedA ? a0 : v128.load(a, 48), fixedB ? b0 : v128.load(b, 48));
    storePair(out, r0, r1);
    v128.store(out, r2, 32);
    v128.store(out, r3, 48);
    if (!fixedA) a += 64;
    if (!fixedB) b += 64;
    out += 64;
  }
  for (; n >= 4; n -= 4) {
    v128.store(out, apply(f, fixedA ? a0 : v128.load(a), fixedB ? b0 : v128.load(b)));
    if (!fixedA) a += 16;
    if (!fixedB) b += 16;
    out += 16;
  }
  for (; n > 0; n--) {
    const x = fixedA ? a0 : v128.load32_splat(a);
    const y = fixedB ? b0 : v128.load32_splat(b);
    v128.store32_lane(out, apply(f, x, y), 0);
    if (!fixedA) a += 4;
    if (!fixedB) b += 4;
    out += 4;
  }
}

// @ts-ignore: decorator
@inline
function plane(f: i32, a: usize, b: usize, out: usize, rows: i32, n: i32, aRow: i32, bRow: i32, aStep: i32, bStep: i32): void {
  for (; rows > 0; rows--) {
    if (bStep == 0) row(f, a, b, out, n, false, true);
    else if (aStep == 0) row(f, a, b, out, n, true, false);
    else row(f, a, b, out, n, false, false);
    a += <usize>aRow << 2;
    b += <usize>bRow << 2;
    out += <usize>n << 2;
  }
}

export function add(a: usize, b: usize, out: usize, rows: i32, n: i32, aRow: i32, bRow: i32, aStep: i32, bStep: i32): void {
  plane(ADD, a, b, out, rows, n, aRow, bRow, aStep, bStep);
}

export function sub(a: usize, b: usize, out: usize, rows: i32, n: i32, aRow: i32, bRow: i32, aStep: i32, bStep: i32): void {
  plane(SUB, a, b, out, rows, n, aRow, bRow, aStep, bStep);
}

export function mul(a: usize, b: usize, out: usize, rows: i32, n: i32, aRow: i32, bRow: i32, aStep: i32, bStep: i32): void {
  plane(MUL, a, b, out, rows, n, aRow, bRow, aStep, bStep);
}

export function div(a: usize, b: usize, out: usize, rows: i32, n: i32, aRow: i32, bRow: i32, aStep: i32, bStep: i32): void {
  plane(DIV, a, b, out, rows, n, aRow, bRow, aStep, bStep);
}

export function maximum(a: usize, b: usize, out: usize, rows: i32, n: i32, aRow: i32, bRow: i32, aStep: i32, bStep: i32): void {
  plane(MAXIMUM, a, b, out, rows, n, aRow, bRow, aStep, bStep);
}

export function minimum(a: usize, b: usize, out: usize, rows: i32, n: i32, aRow: i32, bRow: i32, aStep: i32, bStep: i32): void {
  plane(MINIMUM, a, b, out, rows, n, aRow, bRow, aStep, bStep);
}
