import { OptionError } from "@lowrank/core";
import { nearestName } from "@lowrank/core/internal";
import { byteText, type Column, csvTable, digits, markdownTable, markdownText, textTable, whole } from "../table.ts";
import type { FailedMethod, MethodComparison, MethodRow, Quality, SharedSettings } from "./methodComparison.ts";
import { targetsText, variesTargets } from "./targetsText.ts";

type RowColumn = Column<MethodRow>;

const yesNo = (value: boolean | null): string | null => (value === null ? null : value ? "yes" : "no");
const share = (part: number | null, of: number | null): number | null =>
  part === null || of === null ? null : (100 * part) / of;

const name: RowColumn = { title: "method", key: "name", value: (row) => row.name };
/** Column of texts for comparisons in which one method has several targets. Elsewhere the settings name them. */
const targets: RowColumn = { title: "targets", key: "targets", value: targetsText };
const settings: RowColumn = { title: "settings", key: "settings", value: (row) => row.settings || null };

/** Columns with a number or a word for each method. */
const costs: readonly RowColumn[] = [
  { title: "rank", key: "rank", value: (row) => row.rank },
  { title: "4-bit", key: "quantization", value: (row) => row.quantization },
  { title: "trainable parameters", key: "trainable", value: (row) => row.trainable },
  { title: "trainable %", key: "percent", value: (row) => row.percent, show: digits },
  { title: "file", key: "bytesSaved", value: (row) => row.bytesSaved, show: byteText },
  { title: "trained bytes", key: "bytesTrained", value: (row) => row.bytesTrained, show: byteText },
  { title: "gradients", key: "gradientBytes", value: (row) => row.gradientBytes, show: byteText },
  { title: "optimiser", key: "optimizerBytes", value: (row) => row.optimizerBytes, show: byteText },
  { title: "base", key: "baseBytes", value: (row) => row.baseBytes, show: byteText },
  { title: "activations", key: "activationBytes", value: (row) => row.activationBytes, show: byteText },
  { title: "training memory", key: "trainingBytes", value: (row) => row.trainingBytes, show: byteText },
  { title: "fits", key: "fits", value: (row) => yesNo(row.fits) },
  { title: "inference: parameters", key: "inferenceParameters", value: (row) => row.inferenceParameters },
  { title: "FLOPs/token", key: "flopsPerToken", value: (row) => row.flopsPerToken, show: whole },
  {
    title: "FLOPs %",
    key: "flopsPercent",
    value: (row) => share(row.flopsPerToken, row.baseFlopsPerToken),
    show: digits,
  },
  { title: "mergeable", key: "mergeable", value: (row) => yesNo(row.mergeable) },
  { title: "quality", key: "quality", value: ({ quality }) => quality?.mean ?? null, show: digits },
  { title: "deviation", key: "deviation", value: ({ quality }) => quality?.deviation ?? null, show: digits },
  { title: "Pareto front", key: "paretoOptimal", value: (row) => yesNo(row.paretoOptimal ?? null) },
];

const all: readonly RowColumn[] = [name, ...costs, settings];

/** Names of the columns by which `sortComparison` sorts, as in JSON and CSV: "name", "rank", "trainable" and others. */
export const comparisonColumns: readonly string[] = all.map(({ key }) => key);

/**
 * Returns a comparison whose rows are sorted by a column of `comparisonColumns`, smallest first. Rows without a value
 * come last. Throws `OptionError` for an unknown column.
 *
 * @example
 * ```ts
 * const [smallest] = sortComparison(comparison, "trainingBytes").rows;
 * ```
 */
export function sortComparison(comparison: MethodComparison, key: string): MethodComparison {
  const column = all.find((known) => known.key === key);
  if (!column) {
    const near = comparisonColumns.find((known) => isPartOf(key, known)) ?? nearestName(String(key), comparisonColumns);
    const hint = near === null ? "there" : `did you mean ${JSON.stringify(near)}? There`;
    const problem = `is ${JSON.stringify(key)}, which is no column; ${hint} are ${comparisonColumns.join(", ")}`;
    throw new OptionError("sortComparison", "key", key, problem);
  }
  const compare = (a: string | number | null, b: string | number | null): number => {
    if (a === null || b === null) return Number(a === null) - Number(b === null);
    return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
  };
  return { ...comparison, rows: comparison.rows.toSorted((a, b) => compare(column.value(a), column.value(b))) };
}

/** Returns true if a text has at least three letters and occurs in a column's name, as "train" in "trainingBytes". */
const isPartOf = (key: unknown, known: string): boolean =>
  String(key).length >= 3 && known.toLowerCase().includes(String(key).toLowerCase());

/** Returns the columns in which at least one row has a value. The columns in `always` are returned in any case. */
function usedColumns(columns: readonly RowColumn[], rows: readonly MethodRow[]): RowColumn[] {
  return columns.filter(({ value }) => rows.some((row) => value(row) !== null));
}

/**
 * Returns a comparison as Markdown: a heading, a table, and a list of the methods that do not fit the model. Columns
 * without values are left out.
 *
 * @example
 * ```ts
 * await writeFile("methods.md", toMarkdown(await compareMethods("gpt2", ["lora", "ia3"])));
 * ```
 */
export function toMarkdown(comparison: MethodComparison): string {
  const { rows, failed } = comparison;
  const columns = usedColumns(all, rows);
  const table = rows.length > 0 ? [...markdownTable(columns, rows), ""] : [];
  const varies = variesTargets(comparison);
  const failures = failed.map((method) => `- ${markdownText(failureText(method, varies))}`);
  return [markdownText(comparisonHeading(comparison)), "", ...table, ...failures].join("\n").trimEnd();
}

/**
 * Returns a comparison as CSV (RFC 4180) with unformatted numbers. Methods that do not fit the model have a row with
 * their name, rank, quantisation, targets in the column "settings", and the error in the last column.
 *
 * @example
 * ```ts
 * await writeFile("methods.csv", toCsv(await compareMethods("gpt2", ["lora", "ia3"])));
 * ```
 */
export function toCsv({ rows, failed }: MethodComparison): string {
  type Line = { readonly row: MethodRow | null; readonly failed: FailedMethod | null };
  const lines: Line[] = [
    ...rows.map((row) => ({ row, failed: null })),
    ...failed.map((method) => ({ row: null, failed: method })),
  ];
  const named = new Set(["name", "rank", "quantization"]);
  const columns = all.map(({ title, key, value }): Column<Line> => {
    const ofFailed = (method: FailedMethod) => {
      if (key === "settings" && method.targets !== undefined) return `targetModules=${targetsText(method)}`;
      return named.has(key) ? method[key as "name" | "rank" | "quantization"] : null;
    };
    return { title, key, value: (line) => (line.row ? value(line.row) : ofFailed(line.failed as FailedMethod)) };
  });
  return csvTable([...columns, { title: "why", key: "why", value: (line) => line.failed?.why ?? null }], lines).join(
    "\n",
  );
}

/**
 * Returns a comparison as JSON text, with two spaces of indentation. `JSON.parse` gives the comparison back.
 *
 * @example
 * ```ts
 * await writeFile("methods.json", toJson(await compareMethods("gpt2", ["lora", "ia3"])));
 * ```
 */
export function toJson(comparison: MethodComparison): string {
  return JSON.stringify(comparison, null, 2);
}

/**
 * Returns a comparison as a plain text table, for terminals. Settings are left out, as they make lines long. Columns
 * without values are left out.
 *
 * @example
 * ```ts
 * console.log(toText(await compareMethods("gpt2", ["lora", "ia3"])));
 * ```
 */
export function toText(comparison: MethodComparison): string {
  const { rows, failed } = comparison;
  const varies = variesTargets(comparison);
  const columns = usedColumns([name, ...(varies ? [targets] : []), ...costs], rows);
  const table = rows.length > 0 ? [...textTable(columns, rows), ""] : [];
  return [
    comparisonHeading(comparison),
    "",
    ...table,
    ...failed.map((method) => failureText(method, varies)),
    ...comparisonLegend(comparison),
  ].join("\n");
}

/** Describes a method that does not fit the model, with the reason. `varies`: also with its targets. */
function failureText(method: FailedMethod, varies: boolean): string {
  const { name, rank, quantization, why } = method;
  const targets = varies ? targetsText(method) : null;
  const details = [rank === null ? "" : `rank ${rank}`, targets ?? "", quantization ?? ""].filter(
    (text) => text !== "",
  );
  return `${name}${details.length > 0 ? ` (${details.join(", ")})` : ""}: ${why}`;
}

/** Returns the line above a comparison: the model, its size, and the settings that all rows share. */
function comparisonHeading(comparison: MethodComparison): string {
  const { source, modelType, baseParameters, dtype, optimizer, memory } = comparison;
  return [
    `${source}: ${modelType}, ${whole(baseParameters)} parameters in ${dtype}; optimiser ${optimizer}`,
    ...stepText(comparison),
    ...(comparison.settings ? [settingsWords(comparison.settings)] : []),
    ...(memory === null ? [] : [`memory budget ${byteText(memory)}`]),
  ].join("; ");
}

/** Describes the planned training step, if the model has one. */
function stepText({ batchSize, sequenceLength, rows }: MethodComparison): string[] {
  if (rows.every(({ trainingBytes }) => trainingBytes === null)) return [];
  const tokens =
    sequenceLength > 1 ? `${whole(batchSize)} x ${whole(sequenceLength)} tokens` : `${whole(batchSize)} rows`;
  return [`a step of ${tokens}`];
}

/** Describes the settings of named methods, as in "rank 8, targets all-linear, 20 virtual tokens". */
function settingsWords({ ranks, targets, virtualTokens }: SharedSettings): string {
  const each = targets.map((one) => (Array.isArray(one) ? one.join(", ") : (one ?? "each method's own")));
  const rank = ranks.length === 1 ? `rank ${ranks[0]}` : `ranks ${ranks.join(", ")}`;
  return `${rank}, targets ${each.join(" or ")}, ${virtualTokens} virtual tokens, unless a method's settings name others`;
}

/** Returns lines below a comparison that explain its columns. */
function comparisonLegend({ rows }: MethodComparison): string[] {
  const planned = rows.some(({ trainingBytes }) => trainingBytes !== null);
  const quality = rows.find((row) => row.quality)?.quality;
  return [
    "trainable parameters, %: the trained parameters, and their share of base and adapter together.",
    "file: adapter_model.safetensors to the byte, or all weights. trained bytes: the trained parameters in memory.",
    ...(planned
      ? ["training memory: the peak of a step, with base, adapter, optimiser, gradients and activations."]
      : []),
    "inference: what an unmerged adapter adds for each token of a pass. A merged adapter adds nothing.",
    ...(quality ? [qualityText(quality)] : []),
  ];
}

function qualityText({ metric, higherIsBetter }: Quality): string {
  const better = higherIsBetter ? "higher" : "lower";
  return `quality: ${metric}, ${better} is better. Pareto front: no row with at most as many trainable parameters is better.`;
}

/** Returns the parts of a comparison for a page: its heading, the columns with values, and notes below the table. */
export function comparisonTables(comparison: MethodComparison): {
  readonly heading: string;
  readonly columns: readonly Column<MethodRow>[];
  readonly notes: readonly string[];
} {
  const { rows, failed } = comparison;
  return {
    heading: comparisonHeading(comparison),
    columns: usedColumns(all, rows),
    notes: [...comparisonLegend(comparison), ...failed.map((method) => failureText(method, variesTargets(comparison)))],
  };
}
