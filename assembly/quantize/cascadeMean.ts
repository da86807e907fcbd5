// A mean with the same bits as PyTorch's on one thread of an x64 CPU. The method is described in
// packages/core/src/packed/blockwise/packFourBit.ts.

/** Bytes of a row of 32 floats. */
const ROW: usize = 128;
/** Bytes of the first eight floats of a row. */
const LANES: usize = 32;
/** Number of levels of partial sums. */
const LEVELS: i32 = 4;

/** Adds the floats at `source` to the floats at `target`; `bytes` is their length in bytes. */
function addTo(target: usize, source: usize, bytes: usize): void {
  for (let at: usize = 0; at < bytes; at += 16) {
    v128.store(target + at, f32x4.add(v128.load(target + at), v128.load(source + at)));
  }
}

/**
 * Adds full levels of partial sums to the next level, after row `at`, and clears them. Level 0 is full at each call. A
 * higher level is full after 2^`power` additions.
 */
function climb(sums: usize, at: i32, power: i32): void {
  for (let level = 1; level < LEVELS; level++) {
    const from = sums + <usize>(level - 1) * ROW;
    addTo(from + ROW, from, ROW);
    memory.fill(from, 0, ROW);
    if (at & (((1 << power) - 1) << (level * power))) return;
  }
}

/** Returns the mean of fewer than eight floats. */
function meanOfFew(x: usize, n: i32): f32 {
  let sum = load<f32>(x);
  for (let i = 4; i < n; i++) sum += load<f32>(x + (<usize>i << 2));
  for (let i = 1; i < min(n, 4); i++) sum += load<f32>(x + (<usize>i << 2));
  return sum / <f32>n;
}

/** Returns the mean of the n floats at x, summed in PyTorch's order. `sums` is 512 bytes of scratch. */
export function cascadeMean(x: usize, n: i32, sums: usize): f32 {
  if (n < 8) return meanOfFew(x, n);
  memory.fill(sums, 0, <usize>LEVELS * ROW);
  const rows = n >> 5;
  const power = max(4, (32 - clz(max(rows, 2) - 1)) / LEVELS);
  for (let row = 0; row < rows; ) {
    addTo(sums, x + <usize>row * ROW, ROW);
    row++;
    if ((row & ((1 << power) - 1)) == 0) climb(sums, row, power);
  }
  for (let level = 1; level < LEVELS; level++) addTo(sums, sums + <usize>level * ROW, ROW);
  const whole = n & ~7;
  for (let i = rows << 5; i < whole; i += 8) addTo(sums, x + (<usize>i << 2), LANES);
  for (let at = LANES; at < ROW; at += LANES) addTo(sums, sums + at, LANES);
  let sum: f32 = 0;
  for (let i = whole; i < n; i++) sum += load<f32>(x + (<usize>i << 2));
  for (let at: usize = 0; at < LANES; at += 4) sum += load<f32>(sums + at);
  return sum / <f32>n;
}
