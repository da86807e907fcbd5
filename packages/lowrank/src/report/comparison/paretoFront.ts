import { OptionError } from "@lowrank/core";
import type { MethodComparison, MethodRow, Quality } from "./methodComparison.ts";

const costs = ["trainable", "bytesSaved", "trainingBytes", "inferenceParameters"] as const;

/** Costs of a row by which a Pareto front can be found. */
export type ParetoCost = (typeof costs)[number];

/**
 * Returns the rows on the Pareto front of quality over a cost, cheapest first. For these rows, no other row is better
 * in one of both and at least equal in the other. Rows without a quality or a cost are left out. `cost` is the name of
 * the cost; default "trainable", the number of trainable parameters.
 *
 * Throws `OptionError` for an unknown cost, for a cost that is null in each row with a quality (as "trainingBytes" is
 * for a module without a loss), and if the rows have different metrics.
 *
 * @example
 * ```ts
 * const sweep = await sweepMethods(model, ["lora", "dora"], { ranks: [2, 8, 32], metric: "accuracy", evaluate });
 * for (const { name, rank, quality } of paretoFront(sweep.rows)) console.log(name, rank, quality?.mean);
 * ```
 */
export function paretoFront(rows: readonly MethodRow[], cost: ParetoCost = "trainable"): MethodRow[] {
  checkCost(rows, cost);
  const points = rows.flatMap((row) => {
    const { [cost]: price, quality } = row;
    return quality === undefined || price === null ? [] : [{ row, price, gain: gainOf(quality) }];
  });
  const metrics = new Set(points.map(({ row }) => row.quality?.metric));
  if (metrics.size > 1) {
    const problem = `have different metrics (${[...metrics].join(", ")}); compare rows of one metric`;
    throw new OptionError("paretoFront", "rows", rows, problem);
  }
  return nonDominated(points).map(({ row }) => row);
}

/** Throws for a cost that does not exist, or that no row with a quality has. */
function checkCost(rows: readonly MethodRow[], cost: ParetoCost): void {
  const trained = rows.filter(({ quality }) => quality !== undefined);
  const known = costs.filter((name) => trained.length === 0 || trained.some((row) => row[name] !== null));
  if (known.includes(cost)) return;
  const why = costs.includes(cost) ? "which is null in each row with a quality" : "which is no cost";
  const choices = known.map((name) => JSON.stringify(name)).join(", ");
  throw new OptionError("paretoFront", "cost", cost, `is ${JSON.stringify(cost)}, ${why}; give one of ${choices}`);
}

/** A result with its price and its gain. */
interface PricedPoint {
  readonly price: number;
  /** Quality, of which more is better. */
  readonly gain: number;
}

/** Returns the points that no other point beats in price or gain while it is at least equal in both, cheapest first. */
export function nonDominated<T extends PricedPoint>(points: readonly T[]): T[] {
  const dominated = (a: T) =>
    points.some((b) => b.price <= a.price && b.gain >= a.gain && (b.price < a.price || b.gain > a.gain));
  return points.filter((point) => !dominated(point)).sort((a, b) => a.price - b.price);
}

/** Returns a quality such that more is better. */
export const gainOf = ({ mean, higherIsBetter }: Quality): number => (higherIsBetter ? mean : -mean);

/**
 * Returns a comparison whose rows have qualities, in the order of the rows, and in which `paretoOptimal` is set. A row
 * with the quality null was not evaluated.
 */
export function withQuality(comparison: MethodComparison, qualities: readonly (Quality | null)[]): MethodComparison {
  const rows = comparison.rows.map((row, i): MethodRow => {
    const quality = qualities[i];
    return quality ? { ...row, quality } : row;
  });
  const front = new Set(paretoFront(rows));
  return { ...comparison, rows: rows.map((row) => (row.quality ? { ...row, paretoOptimal: front.has(row) } : row)) };
}

/** Returns the quality of several runs: the mean of their values and the sample standard deviation. */
export function qualityOf(metric: string, values: readonly number[], higherIsBetter: boolean): Quality {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { metric, mean, deviation: values.length > 1 ? Math.sqrt(squares / (values.length - 1)) : 0, higherIsBetter };
}
