// Functions that process one element at a time with AssemblyScript's single-precision library: sines of any argument,
// and powers.

/**
 * Limit for the magnitude of angles that are reduced in f32. Above it, this reduction is wrong for some angles, so
 * larger angles are reduced in f64.
 */
const FAR: f32 = 1e8;

export function sin(x: usize, out: usize, n: i32): void {
  for (let i = 0; i < n; i++) {
    const at = <usize>i << 2;
    const v = load<f32>(x + at);
    store<f32>(out + at, abs(v) < FAR ? NativeMathf.sin(v) : <f32>NativeMath.sin(<f64>v));
  }
}

export function cos(x: usize, out: usize, n: i32): void {
  for (let i = 0; i < n; i++) {
    const at = <usize>i << 2;
    const v = load<f32>(x + at);
    store<f32>(out + at, abs(v) < FAR ? NativeMathf.cos(v) : <f32>NativeMath.cos(<f64>v));
  }
}

/**
 * Computes a to the power b for `rows` rows of n elements. All strides are in elements: aRow and bRow from row to row,
 * aStep and bStep (0 or 1) within a row. `out` is contiguous.
 */
export function pow(a: usize, b: usize, out: usize, rows: i32, n: i32, aRow: i32, bRow: i32, aStep: i32, bStep: i32): void {
  for (; rows > 0; rows--) {
    for (let i = 0; i < n; i++) {
      const x = load<f32>(a + (<usize>(i * aStep) << 2));
      const y = load<f32>(b + (<usize>(i * bStep) << 2));
      // The library returns NaN here, but C returns 1.
      const unit = x == 1 || (x == -1 && abs(y) == Infinity);
      store<f32>(out + (<usize>i << 2), unit ? 1 : NativeMathf.pow(x, y));
    }
    a += <usize>aRow << 2;
    b += <usize>bRow << 2;
    out += <usize>n << 2;
  }
}
