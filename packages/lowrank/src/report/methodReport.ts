import {
  type AdapterReport,
  type ModelShapes,
  type PeftConfig,
  type RecipeSettings,
  type ReportOptions,
  reportAdapter,
} from "@lowrank/peft";
import { methodOf } from "@lowrank/peft/internal";
import { barChart } from "./barChart.ts";
import { htmlPage } from "./htmlPage.ts";
import {
  byteText,
  type Column,
  csvTable,
  digits,
  htmlTable,
  jsonRows,
  markdownTable,
  markdownText,
  textTable,
  whole,
} from "./table.ts";

/** Output formats of a report. */
export const reportFormats = ["table", "markdown", "json", "csv", "html"] as const;

/** Output format of a report. */
export type ReportFormat = (typeof reportFormats)[number];

/** Fine-tuning method in a row of the report. */
export interface ReportedMethod {
  readonly name: string;
  /** Makes the method's configuration; null for full fine-tuning. */
  config(): PeftConfig | null;
  readonly quantized?: boolean;
}

/**
 * Row of the report: one method. If the method does not fit the model, `report` is null and `why` is the error message.
 */
interface Row {
  readonly name: string;
  readonly settings: string;
  readonly report: AdapterReport | null;
  readonly why: string | null;
}

/** Costs of methods on one model. */
export interface MethodReport {
  /** Name of the model, as given to the command. */
  readonly source: string;
  readonly modelType: string;
  /** Number of parameters of the base model. */
  readonly base: number;
  /** Dtype of the base model's weights. */
  readonly dtype: NonNullable<ReportOptions["dtype"]>;
  readonly optimizer: string;
  /** Settings that all methods share; null if each method has its own. */
  readonly settings: RecipeSettings | null;
  readonly rows: readonly Row[];
}

/** Quantisation of the base model that the report assumes for 4-bit methods. */
export const reportedQuantization = { quantType: "nf4", doubleQuant: true } as const;

/** Options for `reportMethods`, which include the options for a report on one adapter. */
interface ReckonOptions extends ReportOptions {
  readonly settings?: RecipeSettings | null;
}

/**
 * Reports the costs of methods on a model: sizes, memory and FLOPs. A method that does not fit the model gets a row
 * with the error.
 */
export async function reportMethods(
  source: string,
  model: ModelShapes,
  methods: readonly ReportedMethod[],
  { settings: shared = null, ...options }: ReckonOptions = {},
): Promise<MethodReport> {
  const { dtype = "f32", optimizer = "adamw" } = options;
  const row = async ({ name, config: make, quantized = false }: ReportedMethod): Promise<Row> => {
    let settings = "";
    try {
      const config = make();
      settings = config === null ? "" : await describeConfig(config);
      const report = await reportAdapter(model, config, {
        ...options,
        quantization: quantized ? reportedQuantization : null,
      });
      return { name, settings, report, why: null };
    } catch (error) {
      return { name, settings, report: null, why: (error as Error).message };
    }
  };
  const rows: Row[] = [];
  for (const method of methods) rows.push(await row(method));
  const base = model.parameters.reduce((sum, { shape }) => sum + shape.reduce((size, n) => size * n, 1), 0);
  return { source, modelType: model.modelType, base, dtype, optimizer, settings: shared, rows };
}

/** Describes the fields of a configuration that differ from the method's defaults. */
export async function describeConfig(config: PeftConfig): Promise<string> {
  const { Config } = await methodOf(config);
  const defaults = { ...new Config({} as never) } as Record<string, unknown>;
  const fields = Object.entries(config).filter(([key, value]) => {
    return (
      key !== "baseModelNameOrPath" && key !== "taskType" && JSON.stringify(value) !== JSON.stringify(defaults[key])
    );
  });
  return fields.map(([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`).join(" ");
}

const of = (value: (report: AdapterReport) => number | null) => (row: Row) => row.report && value(row.report);
const flopShare = ({ inference: { flopsPerToken, baseFlopsPerToken } }: AdapterReport): number | null =>
  flopsPerToken === null || baseFlopsPerToken === null ? null : (100 * flopsPerToken) / baseFlopsPerToken;

const methodColumn: Column<Row> = { title: "method", key: "method", value: ({ name }) => name };
const settingsColumn: Column<Row> = { title: "settings", key: "settings", value: ({ settings }) => settings || null };

const columns: readonly Column<Row>[] = [
  { title: "trains", key: "trainable", value: of(({ trainable }) => trainable) },
  { title: "%", key: "percent", value: of(({ percent }) => percent), show: digits },
  { title: "file", key: "bytesSaved", value: of(({ bytesSaved }) => bytesSaved), show: byteText },
  { title: "in memory", key: "bytesTrained", value: of(({ bytesTrained }) => bytesTrained), show: byteText },
  { title: "optimiser", key: "optimizerBytes", value: of(({ optimizerBytes }) => optimizerBytes), show: byteText },
  { title: "base", key: "baseBytes", value: of(({ baseBytes }) => baseBytes), show: byteText },
  { title: "inference: numbers", key: "inferenceParameters", value: of(({ inference }) => inference.parameters) },
  {
    title: "FLOPs/token",
    key: "inferenceFlopsPerToken",
    value: of(({ inference }) => inference.flopsPerToken),
    show: whole,
  },
  { title: "% more", key: "inferenceFlopsPercent", value: of(flopShare), show: digits },
  { title: "merges", key: "mergeable", value: ({ report }) => report && (report.mergeable ? "yes" : "no") },
];

/** Names of the columns by which a report can be sorted. */
export const reportColumns: readonly string[] = [methodColumn, ...columns].map(({ key }) => key);

/** Returns the report with its rows sorted by a column, smallest first. Null or an unknown column keeps the order. */
export function sortedReport(report: MethodReport, key: string | null): MethodReport {
  const column = [methodColumn, ...columns].find((known) => known.key === key);
  if (!column) return report;
  const compare = (a: string | number | null, b: string | number | null): number => {
    if (a === null || b === null) return Number(a === null) - Number(b === null);
    return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
  };
  return { ...report, rows: report.rows.toSorted((a, b) => compare(column.value(a), column.value(b))) };
}

/** Describes the shared settings, as in "rank 8, targets all-linear, 20 virtual tokens". */
function settingsWords({ r, targetModules, virtualTokens }: RecipeSettings): string {
  const targets = Array.isArray(targetModules) ? targetModules.join(", ") : (targetModules ?? "each method's own");
  return `rank ${r}, targets ${targets}, ${virtualTokens} virtual tokens, unless a method's settings name others`;
}

/** Lines below a report that explain its columns. */
const legend = [
  "trains, %: trained parameters, and their share of base and adapter together.",
  "file: adapter_model.safetensors to the byte, or all weights. In memory: what trains, in f32 for adapters.",
  "inference: what an adapter that is not merged adds for each token of a pass; one that merges adds nothing once it is.",
];

/** Formats a report as a table, Markdown, JSON, CSV or HTML. */
export function formatReport(report: MethodReport, format: ReportFormat): string {
  const { rows } = report;
  const good = rows.filter(({ report }) => report !== null);
  const failed = rows.filter(({ why }) => why !== null).map(({ name, why }) => `${name}: ${why}`);
  const head = `${report.source}: ${report.modelType}, ${whole(report.base)} parameters in ${report.dtype}; optimiser ${report.optimizer}${report.settings ? `; ${settingsWords(report.settings)}` : ""}`;
  switch (format) {
    case "json":
      return JSON.stringify(reportJson(report), null, 2);
    case "csv":
      return csvTable([methodColumn, settingsColumn, ...columns, whyColumn], rows).join("\n");
    case "markdown":
      return [
        markdownText(head),
        "",
        ...markdownTable([methodColumn, settingsColumn, ...columns], good),
        "",
        ...failed.map((text) => `- ${markdownText(text)}`),
      ]
        .join("\n")
        .trimEnd();
    case "html":
      return page(report, head, good, failed);
    case "table":
      return [head, "", ...textTable([methodColumn, ...columns], good), "", ...failed, ...legend].join("\n");
  }
}

const whyColumn: Column<Row> = { title: "why not", key: "why", value: ({ why }) => why };

function reportJson({ rows, ...report }: MethodReport): object {
  return { ...report, methods: jsonRows([methodColumn, settingsColumn, ...columns, whyColumn], rows) };
}

function page(report: MethodReport, head: string, rows: readonly Row[], failed: readonly string[]): string {
  const chart = (
    title: string,
    value: (report: AdapterReport) => number | null,
    show: (n: number) => string,
  ): string => {
    const bars = rows.map(({ name, report }) => ({ label: name, value: value(report as AdapterReport) }));
    return barChart({ title, bars, show, logarithmic: true });
  };
  return htmlPage({
    title: `Fine-tuning ${report.source}`,
    paragraphs: [head],
    tables: [{ heading: "Methods", html: htmlTable([methodColumn, ...columns, settingsColumn], rows) }],
    charts: [
      chart("Trained parameters", ({ trainable }) => trainable, whole),
      chart("Length of the saved file", ({ bytesSaved }) => bytesSaved, byteText),
      chart("Optimiser state", ({ optimizerBytes }) => optimizerBytes, byteText),
      chart("Operations added for each token, not merged", ({ inference }) => inference.flopsPerToken, whole),
    ],
    notes: [...legend, ...failed],
  });
}
