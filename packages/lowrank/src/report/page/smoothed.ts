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
