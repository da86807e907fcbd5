const { fround } = Math;

/** Vectors that are summed side by side, times the lanes of each. */
const width = 32;
const lanes = 8;
const levels = 4;

/** target[i] += source[i] in f32, over as many as the source has. */
function addTo(target: Float32Array, source: Float32Array): void {
  for (let i = 0; i < source.length; i++) target[i] += source[i];
}

/**
 * The mean of fewer numbers than a vector holds: four sums side by side, the first of which
 * takes what is left over.
 */
function meanOfFew(x: Float32Array): number {
  const ordered = [x[0], ...x.subarray(4), ...x.subarray(1, 4)];
  return fround(ordered.reduce((sum, v) => fround(sum + v), 0) / x.length);
}

/**
 * The mean of f32 numbers to the bit as PyTorch takes it on one thread of an x64 CPU: sums in f32,
 * in rows of 32, which go up a level after every 16 (aten's cascade_sum).
 */
export function cascadeMean(x: Float32Array): number {
  if (x.length < lanes) return meanOfFew(x);
  const rows = Math.floor(x.length / width);
  const power = Math.max(4, Math.floor(Math.ceil(Math.log2(Math.max(rows, 2))) / levels));
  const acc = Array.from({ length: levels }, () => new Float32Array(width));
  const climb = (at: number): void => {
    for (let level = 1; level < levels; level++) {
      addTo(acc[level], acc[level - 1]);
      acc[level - 1].fill(0);
      if (at & (((1 << power) - 1) << (level * power))) return;
    }
  };
  for (let row = 0; row < rows; ) {
    addTo(acc[0], x.subarray(row * width, ++row * width));
    if (row % (1 << power) === 0) climb(row);
  }
  for (let level = 1; level < levels; level++) addTo(acc[0], acc[level]);
  const whole = x.length - (x.length % lanes);
  const sums = acc[0].subarray(0, lanes);
  for (let at = rows * width; at < whole; at += lanes) addTo(sums, x.subarray(at, at + lanes));
  for (let at = lanes; at < width; at += lanes) addTo(sums, acc[0].subarray(at, at + lanes));
  const rest = x.subarray(whole).reduce((sum, v) => fround(sum + v), 0);
  return fround(sums.reduce((sum, v) => fround(sum + v), rest) / x.length);
}
