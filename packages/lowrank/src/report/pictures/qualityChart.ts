import { scatterChart } from "../page/scatterChart.ts";
import { type LabelledRow, qualityPoints } from "./qualityPoints.ts";

/** Returns a chart of quality over trainable parameters, as HTML with SVG. Empty if no row has a quality. */
export function qualityChart(rows: readonly LabelledRow[]): string[] {
  const { metric, lowerIsBetter, points } = qualityPoints(rows);
  if (metric === null || points.length === 0) return [];
  const best = lowerIsBetter ? "lower is better" : "higher is better";
  const some = points.some(({ deviation }) => deviation > 0);
  return [
    scatterChart({
      title: `Quality: ${metric}, ${best}`,
      caption: `Filled: no method with at most as many parameters is better (Pareto front).${some ? " Lines: standard deviation over seeds." : ""}`,
      xTitle: "trainable parameters (logarithmic)",
      points: points.map(({ method, trainable, mean, deviation, front }) => {
        return { label: method, x: trainable, y: mean, spread: deviation, front };
      }),
    }),
  ];
}
