import { checkOptions } from "../../internal/checkOptions.ts";

/** Returns `count` evenly spaced points from 0.1 to 1, with the rounding of PyTorch's linspace. */
function boundaries(count: number): Float32Array {
  const [start, end] = [Math.fround(0.1), 1];
  const step = Math.fround(Math.fround(end - start) / (count - 1));
  return Float32Array.from({ length: count }, (_, i) => {
    return i < count >> 1 ? start + step * i : end - step * (count - 1 - i);
  });
}

/**
 * Returns the values of the 256 8-bit codes in ascending order, f32, bit-identical to bitsandbytes' create_dynamic_map.
 * A code consists of a decimal exponent and a fraction in the remaining bits. If `signed` is false, there are no
 * negative values. Dettmers 2015, https://arxiv.org/abs/1511.04561
 */
export function dynamicMap(options: { signed?: boolean } = {}): Float32Array {
  checkOptions("dynamicMap", options, { signed: true });
  const { signed = true } = options;
  const values = [0, 1];
  for (let i = 0; i < 7; i++) {
    const points = boundaries(2 ** (signed ? i : i + 1) + 1);
    const scale = Math.fround(10 ** (i - 6));
    for (let j = 1; j < points.length; j++) {
      const mean = Math.fround(Math.fround(points[j - 1] + points[j]) / 2);
      values.push(scale * mean);
      if (signed) values.push(-scale * mean);
    }
  }
  return Float32Array.from(values).sort();
}
