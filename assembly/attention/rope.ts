import { loadPart, storePart } from "../simd/lanes";

/**
 * Applies rotary position embeddings to x [rows, heads, size]. Element i < `half` of a head is rotated together with
 * element i + half, by the angle whose cosine and sine are in the tables [rows, half]. With `sign` -1 it rotates back.
 */
export function rope(
  x: usize, cos: usize, sin: usize, out: usize, rows: i32, heads: i32, size: i32, half: i32, sign: f32,
): void {
  const zero = f32x4.splat(0);
  const direction = f32x4.splat(sign);
  const middle = <usize>half << 2;
  const rest = <usize>(size - 2 * half) << 2;
  for (; rows > 0; rows--) {
    for (let h = 0; h < heads; h++) {
      for (let i = 0; i < half; i += 4) {
        const at = <usize>i << 2;
        const n = half - i;
        const c = loadPart(cos + at, n, zero);
        const s = f32x4.mul(direction, loadPart(sin + at, n, zero));
        const a = loadPart(x + at, n, zero);
        const b = loadPart(x + middle + at, n, zero);
        storePart(out + at, f32x4.sub(f32x4.mul(a, c), f32x4.mul(b, s)), n);
        storePart(out + middle + at, f32x4.add(f32x4.mul(b, c), f32x4.mul(a, s)), n);
      }
      if (rest) memory.copy(out + 2 * middle, x + 2 * middle, rest);
      x += <usize>size << 2;
      out += <usize>size << 2;
    }
    cos += middle;
    sin += middle;
  }
}
