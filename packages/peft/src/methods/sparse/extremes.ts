/** Positions of the elements of a weight with the largest or the smallest magnitudes. */
export interface Extremes {
  /** Positions in the order of `torch.topk`: the most extreme magnitude first. Among equal ones, the first is first. */
  readonly positions: Int32Array;
  /** True if PyTorch could choose or order other positions, since some magnitudes are equal. */
  readonly tied: boolean;
}

/** The magnitudes are grouped by the first 16 of their 31 bits. */
const bucketBits = 15;

/** Returns the `count` elements with the largest magnitudes, or with the smallest if `top` is false. */
export function extremes(values: Float32Array, count: number, top: boolean): Extremes {
  const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
  // Bits of floats without their sign have the order of the magnitudes.
  const magnitude = (i: number) => bits[i] & 0x7fffffff;
  const sizes = new Uint32Array(1 << 16);
  for (let i = 0; i < bits.length; i++) sizes[magnitude(i) >>> bucketBits]++;
  const [first, step] = top ? [sizes.length - 1, -1] : [0, 1];
  let last = first;
  for (let found = sizes[first]; found < count; found += sizes[last]) last += step;
  const candidates: number[] = [];
  for (let i = 0; i < bits.length; i++) if (((magnitude(i) >>> bucketBits) - last) * step <= 0) candidates.push(i);
  candidates.sort((i, j) => step * (magnitude(i) - magnitude(j)) || i - j);
  const tied = candidates.slice(0, count).some((i, at) => {
    return at + 1 < candidates.length && magnitude(i) === magnitude(candidates[at + 1]);
  });
  return { positions: Int32Array.from(candidates.slice(0, count)), tied };
}
