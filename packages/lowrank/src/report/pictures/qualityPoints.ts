import type { MethodRow } from "../comparison/methodComparison.ts";
import { gainOf, nonDominated } from "../comparison/paretoFront.ts";

/** A row with a label. */
export interface LabelledRow extends Pick<MethodRow, "trainable" | "quality"> {
  readonly label: string;
}

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
export function qualityPoints(rows: readonly LabelledRow[]): QualityPoints {
  const first = rows.find(({ quality }) => quality !== undefined)?.quality;
  const metric = first?.metric ?? null;
  const shown = rows.flatMap(({ label: method, trainable, quality }) => {
    const isShown =
      quality !== undefined && quality.metric === metric && trainable > 0 && Number.isFinite(quality.mean);
    if (!isShown) return [];
    const { mean, deviation } = quality;
    return [{ method, trainable, mean, deviation, price: trainable, gain: gainOf(quality) }];
  });
  const front = new Set(nonDominated(shown));
  const points = shown.map((point) => {
    const { method, trainable, mean, deviation } = point;
    return { method, trainable, mean, deviation, front: front.has(point) };
  });
  return { metric, lowerIsBetter: first !== undefined && !first.higherIsBetter, points };
}
