import { toCsv, toJson, toMarkdown, toText } from "../../report/comparison/comparisonText.ts";
import type { MethodComparison } from "../../report/comparison/methodComparison.ts";
import { toHtml } from "../../report/pictures/toHtml.ts";
import type { ReportFormat } from "../../report/reportFormat.ts";

/** Formats a comparison as a table, Markdown, JSON, CSV or HTML. */
export function formatComparison(comparison: MethodComparison, format: ReportFormat): string {
  const formats = { table: toText, markdown: toMarkdown, json: toJson, csv: toCsv, html: toHtml };
  return formats[format](comparison);
}
