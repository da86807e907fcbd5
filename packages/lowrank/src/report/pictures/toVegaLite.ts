import { OptionError } from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";
import type { MethodComparison, MethodRow } from "../comparison/methodComparison.ts";
import { memoryOf, memoryParts } from "./memoryParts.ts";
import { qualityPoints } from "./qualityPoints.ts";
import { rowLabels } from "./rowLabels.ts";

/** Charts that `toVegaLite` draws. */
const charts = ["memory", "trainable", "file", "flops", "quality"] as const;

/** Chart of a comparison. */
export type ComparisonChart = (typeof charts)[number];

/** Options of `toVegaLite`. */
export interface VegaLiteOptions {
  /**
   * The chart. Default: "memory".
   *
   * - "memory": the parts of the memory of a training step, as stacked bars
   * - "trainable": trainable parameters
   * - "file": size of the saved file
   * - "flops": additional FLOPs per token of an unmerged adapter
   * - "quality": quality over trainable parameters, with the Pareto front
   */
  chart?: ComparisonChart;
}

/** Specification of a chart in Vega-Lite's JSON form. */
export interface VegaLiteSpec {
  readonly $schema: string;
  readonly data: { readonly values: readonly Readonly<Record<string, string | number | boolean>>[] };
  readonly [key: string]: unknown;
}

/** A specification without the fields that all charts share. */
type SpecPart = Readonly<Record<string, unknown>> & Pick<VegaLiteSpec, "data">;

const $schema = "https://vega.github.io/schema/vega-lite/v6.json";
const colours = ["#8a94a3", "#2f6fcd", "#12805c", "#d9772b", "#9a45b5"];

/**
 * Returns a chart of a comparison as a specification for Vega-Lite 6, with its data. Rows without the value are left
 * out. Throws `OptionError` for an unknown chart, and for "quality" if no row has a quality.
 *
 * @example
 * ```ts
 * const comparison = await compareMethods("gpt2", ["full", "lora", "qlora"]);
 * await writeFile("memory.vl.json", JSON.stringify(toVegaLite(comparison, { chart: "memory" })));
 * ```
 */
export function toVegaLite(comparison: MethodComparison, options: VegaLiteOptions = {}): VegaLiteSpec {
  checkOptions<VegaLiteOptions>("toVegaLite", options, { chart: true });
  const { chart = "memory" } = options;
  const { rows } = comparison;
  const common = { $schema, width: 480, description: `Fine-tuning ${comparison.source}: ${chart}` };
  switch (chart) {
    case "memory":
      return { ...common, title: "Memory to train", ...memoryChart(rows) };
    case "trainable":
      return { ...common, ...dots(rows, "Trainable parameters", "~s", ({ trainable }) => trainable) };
    case "file":
      return { ...common, ...dots(rows, "Size of the saved file, bytes", "~s", ({ bytesSaved }) => bytesSaved) };
    case "flops":
      return { ...common, ...dots(rows, "Additional FLOPs per token", "~s", ({ flopsPerToken }) => flopsPerToken) };
    case "quality":
      return { ...common, ...qualityChart(rows) };
  }
  const problem = `is ${JSON.stringify(chart)}; there are ${charts.join(", ")}`;
  throw new OptionError("toVegaLite", "chart", chart, problem);
}

const method = { field: "method", type: "nominal", sort: null, title: null, axis: { labelLimit: 240 } };

function memoryChart(rows: readonly MethodRow[]): SpecPart {
  const labels = rowLabels(rows);
  const names = memoryParts.map(({ name }) => name);
  const values = rows.flatMap((row, i) =>
    (memoryOf(row) ?? []).map((bytes, order) => ({ method: labels[i], part: names[order], order, bytes })),
  );
  return {
    data: { values },
    mark: { type: "bar", tooltip: true },
    encoding: {
      y: method,
      x: { field: "bytes", type: "quantitative", aggregate: "sum", title: "bytes", axis: { format: "~s" } },
      color: { field: "part", type: "nominal", title: null, scale: { domain: names, range: colours } },
      order: { field: "order", type: "quantitative" },
    },
  };
}

/** Returns a chart with a dot for each row whose value is above 0, on a logarithmic axis. */
function dots(
  rows: readonly MethodRow[],
  title: string,
  format: string,
  read: (row: MethodRow) => number | null,
): SpecPart {
  const labels = rowLabels(rows);
  const values = rows.flatMap((row, i) => {
    const value = read(row);
    return value === null || value <= 0 ? [] : [{ method: labels[i], value }];
  });
  const x = { field: "value", type: "quantitative", title: null, scale: { type: "log" }, axis: { format } };
  const mark = { type: "point", filled: true, size: 90, tooltip: true };
  return { title, data: { values }, mark, encoding: { y: method, x } };
}

function qualityChart(rows: readonly MethodRow[]): SpecPart {
  const labels = rowLabels(rows);
  const { metric, points } = qualityPoints(rows.map((row, i) => ({ ...row, label: labels[i] })));
  if (metric === null || points.length === 0) {
    const problem = 'is "quality", but no row has a quality; compare trained methods, or choose another chart';
    throw new OptionError("toVegaLite", "chart", "quality", problem);
  }
  const values = points.map((point) => ({
    ...point,
    low: point.mean - point.deviation,
    high: point.mean + point.deviation,
  }));
  const scale = { zero: false };
  const x = {
    field: "trainable",
    type: "quantitative",
    title: "trainable parameters",
    scale: { type: "log" },
    axis: { format: "~s" },
  };
  const y = { field: "mean", type: "quantitative", title: metric, scale };
  return {
    title: `${metric} over trainable parameters`,
    height: 300,
    data: { values },
    encoding: { x },
    layer: [
      { mark: "rule", encoding: { y: { ...y, field: "low" }, y2: { field: "high" } } },
      { transform: [{ filter: "datum.front" }], mark: { type: "line", strokeDash: [4, 3] }, encoding: { y } },
      {
        mark: { type: "point", size: 90, tooltip: true, fill: "white" },
        encoding: { y, fill: { condition: { test: "datum.front", value: "#2f6fcd" }, value: "white" } },
      },
      { mark: { type: "text", align: "left", dx: 9 }, encoding: { y, text: { field: "method", type: "nominal" } } },
    ],
  };
}
