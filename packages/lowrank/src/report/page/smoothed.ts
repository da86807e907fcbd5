import type { ChartPoint } from "./lineChart.ts";

/** Share of the earlier values in a smoothed loss, as the smoothing slider of TensorBoard sets it. */
export const smoothingWeight = 0.8;

/**
 * Returns the exponential moving average of a line, as TensorBoard draws it: each value has `weight` of the average
 * before it, and the bias towards the start value 0 is divided out.
 */
export function smoothed(points: readonly ChartPoint[], weight: number = smoothingWeight): ChartPoint[] {
  let [average, bias] = [0, 1];
  return points.map(([x, y]): ChartPoint => {
    average = weight * average + (1 - weight) * y;
    bias *= weight;
    return [x, average / (1 - bias)];
  });
}

/**
 * Reduces a line to at most `most` points. Each is the mean of a group of neighbouring points; all groups have the same
 * size, except that the last may be smaller.
 */
export function thinned(points: readonly ChartPoint[], most: number): ChartPoint[] {
  const group = Math.ceil(points.length / most);
  return Array.from({ length: Math.ceil(points.length / Math.max(group, 1)) }, (_, i): ChartPoint => {
    const part = points.slice(i * group, (i + 1) * group);
    const mean = (at: 0 | 1) => part.reduce((sum, point) => sum + point[at], 0) / part.length;
    return [mean(0), mean(1)];
  });
}
