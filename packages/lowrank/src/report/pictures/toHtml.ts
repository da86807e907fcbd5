import { comparisonTables } from "../comparison/comparisonText.ts";
import type { MethodComparison, MethodRow } from "../comparison/methodComparison.ts";
import { type BarChart, barChart } from "../page/barChart.ts";
import { htmlPage } from "../page/htmlPage.ts";
import { tickText } from "../page/lineChart.ts";
import { byteText, byteTick, type Column, htmlTable, whole } from "../table.ts";
import { memoryOf, memoryParts } from "./memoryParts.ts";
import { qualityChart } from "./qualityChart.ts";
import { rowLabels } from "./rowLabels.ts";

/**
 * Returns a comparison as an HTML page with charts and a table that can be sorted and filtered. The page loads no other
 * files and follows the reader's light or dark mode. Its first chart is the memory of a training step, in parts. Rows
 * with a `quality` also have a chart of quality over trainable parameters, with the Pareto front.
 *
 * @example
 * ```ts
 * await writeFile("methods.html", toHtml(await compareMethods("gpt2", ["full", "lora", "qlora"])));
 * ```
 */
export function toHtml(comparison: MethodComparison): string {
  const { source, rows } = comparison;
  const { heading, columns, notes } = comparisonTables(comparison);
  return htmlPage({
    title: `Fine-tuning ${source}`,
    paragraphs: [heading],
    tables: rows.length === 0 ? [] : [{ heading: "Methods", html: htmlTable(pageOrder(columns), rows) }],
    charts: comparisonCharts(comparison),
    chartsFirst: true,
    notes,
  });
}

/** Columns that are visible without scrolling on a narrow page, by their keys. */
const first = ["name", "settings", "trainingBytes", "trainable", "percent", "bytesSaved", "quality", "deviation"];

/** Returns the columns by which people choose in front of the others. */
function pageOrder(columns: readonly Column<MethodRow>[]): Column<MethodRow>[] {
  const chosen = first.flatMap((key) => columns.filter((column) => column.key === key));
  return [...chosen, ...columns.filter(({ key }) => !first.includes(key))];
}

/** Returns the charts of a comparison as HTML. Charts without values are left out. */
function comparisonCharts({ rows, memory }: MethodComparison): string[] {
  const labels = rowLabels(rows);
  const chart = (
    value: (row: MethodRow) => BarChart["bars"][number]["value"],
    more: Omit<BarChart, "bars">,
  ): string[] => {
    const bars = rows.map((row, i) => ({ label: labels[i], value: value(row) }));
    return bars.some((bar) => bar.value !== null) ? [barChart({ ...more, bars })] : [];
  };
  const bytes = { show: byteText, tick: byteTick };
  const counts = { show: whole, tick: (value: number) => tickText(value, value) };
  return [
    ...chart(memoryOf, {
      title: "Memory to train",
      caption: "Peak of a training step. Activations are the part that is in memory at the peak.",
      parts: memoryParts,
      ...bytes,
      ...(memory !== null && {
        mark: { value: memory, name: `memory budget: ${byteText(memory)}`, label: `budget ${byteText(memory)}` },
      }),
    }),
    ...qualityChart(rows.map((row, i) => ({ ...row, label: labels[i] }))),
    ...chart(({ trainable }) => trainable, { title: "Trainable parameters", logarithmic: true, ...counts }),
    ...chart(({ bytesSaved }) => bytesSaved, { title: "Size of the saved file", logarithmic: true, ...bytes }),
    ...chart(({ flopsPerToken }) => flopsPerToken, {
      title: "Additional FLOPs per token, unmerged",
      caption: "A merged adapter adds none.",
      logarithmic: true,
      ...counts,
    }),
  ];
}
