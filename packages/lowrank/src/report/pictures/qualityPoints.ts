import type { MethodRow } from "../comparison/methodComparison.ts";
import { paretoFront } from "../comparison/paretoFront.ts";
import { rowLabels } from "./rowLabels.ts";

/** A row with a quality, as a point over its trainable parameters. */
interface QualityPoint {
  readonly method: string;
  readonly trainable: number;
  readonly mean: number;
  readonly deviation: number;
  /** True if no other row has fewer or as many trainable parameters and a better mean. */
  readonly front: boolean;
}

/** Rows with a quality. `metric` is null if there are none. */
interface QualityPoints {
  readonly metric: string | null;
  readonly lowerIsBetter: boolean;
  readonly points: readonly QualityPoint[];
}

/** Returns the rows whose quality has the metric of the first row with a quality, and marks the Pareto front. */
export function qualityPoints(rows: readonly MethodRow[]): QualityPoints {
  const first = rows.find(({ quality }) => quality !== undefined)?.quality;
  const metric = first?.metric ?? null;
  const labels = rowLabels(rows);
  const isShown = ({ quality, trainable }: MethodRow) =>
    quality !== undefined && quality.metric === metric && trainable > 0 && Number.isFinite(quality.mean);
  const front = new Set(paretoFront(rows.filter(isShown)));
  const points = rows.flatMap((row, i) => {
    if (row.quality === undefined || !isShown(row)) return [];
    const { mean, deviation } = row.quality;
    return [{ method: labels[i], trainable: row.trainable, mean, deviation, front: front.has(row) }];
  });
  return { metric, lowerIsBetter: first !== undefined && !first.higherIsBetter, points };
}
