import type { ChartPoint } from "./lineChart.ts";

/** Returns at most `most` points of a line. Each is the mean of several neighbouring points, equally many for each. */
export function thinned(points: readonly ChartPoint[], most: number): ChartPoint[] {
  const group = Math.ceil(points.length / most);
  return Array.from({ length: Math.ceil(points.length / Math.max(group, 1)) }, (_, i): ChartPoint => {
    const part = points.slice(i * group, (i + 1) * group);
    const mean = (at: 0 | 1) => part.reduce((sum, point) => sum + point[at], 0) / part.length;
    return [mean(0), mean(1)];
  });
}
