import type { ChartPoint } from "./lineChart.ts";

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
