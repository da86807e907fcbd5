// The 8-bit codes of block-wise quantisation: positions in an ascending table of 256 floats.

/** The position of the entry nearest to x; of two equally near, the first. NaN gives 0. */
// @ts-ignore: decorator
@inline
export function nearestCode(table: usize, x: f32): i32 {
  let at: usize = 0;
  for (let step: usize = 128; step > 0; step >>= 1) {
    const next = at + step;
    at = select(next, at, x >= load<f32>(table + (next << 2)));
  }
  if (at == 255) return 255;
  const entry = table + (at << 2);
  return <i32>(at + <usize>(load<f32>(entry, 4) - x < x - load<f32>(entry)));
}
