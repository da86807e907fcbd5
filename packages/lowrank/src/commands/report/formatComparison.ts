import { comparisonTables, toCsv, toJson, toMarkdown, toText } from "../../report/comparison/comparisonText.ts";
import type { MethodComparison, MethodRow } from "../../report/comparison/methodComparison.ts";
import { barChart } from "../../report/page/barChart.ts";
import { htmlPage } from "../../report/page/htmlPage.ts";
import type { ReportFormat } from "../../report/reportFormat.ts";
import { byteText, htmlTable, whole } from "../../report/table.ts";

/** Formats a comparison as a table, Markdown, JSON, CSV or HTML. */
export function formatComparison(comparison: MethodComparison, format: ReportFormat): string {
  const formats = { table: toText, markdown: toMarkdown, json: toJson, csv: toCsv, html: page };
  return formats[format](comparison);
}

function page(comparison: MethodComparison): string {
  const { source, rows } = comparison;
  const { heading, columns, notes } = comparisonTables(comparison);
  const chart = (title: string, value: (row: MethodRow) => number | null, show: (n: number) => string): string[] => {
    const bars = rows.map((row) => ({ label: row.name, value: value(row) }));
    return bars.some((bar) => bar.value !== null) ? [barChart({ title, bars, show, logarithmic: true })] : [];
  };
  return htmlPage({
    title: `Fine-tuning ${source}`,
    paragraphs: [heading],
    tables: [{ heading: "Methods", html: htmlTable(columns, rows) }],
    charts: [
      ...chart("Memory of a training step", (row) => row.trainingBytes, byteText),
      ...chart("Trainable parameters", (row) => row.trainable, whole),
      ...chart("Length of the saved file", (row) => row.bytesSaved, byteText),
      ...chart("Operations added for each token, not merged", (row) => row.flopsPerToken, whole),
    ],
    notes,
  });
}
