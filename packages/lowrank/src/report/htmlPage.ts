import { type BarChart, barChart, chartStyle } from "./barChart.ts";
import { escapeHtml } from "./table.ts";

/** What stands on a page, from top to bottom. */
export interface Page {
  readonly title: string;
  readonly paragraphs: readonly string[];
  /** Tables of HTML, each below its heading. */
  readonly tables: readonly { readonly heading: string; readonly html: string }[];
  readonly charts: readonly BarChart[];
  readonly notes: readonly string[];
}

const style = `:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 1200px; padding: 0 1em; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; } th, td { padding: 4px 10px; border-bottom: 1px solid #8884; text-align: left; }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
${chartStyle}`;

/** A page of one file: nothing is loaded from elsewhere. */
export function htmlPage({ title, paragraphs, tables, charts, notes }: Page): string {
  const lines = [
    `<h1>${escapeHtml(title)}</h1>`,
    ...paragraphs.map((text) => `<p>${escapeHtml(text)}</p>`),
    ...tables.map(({ heading, html }) => `<h2>${escapeHtml(heading)}</h2>\n<div class="wide">${html}</div>`),
    ...charts.map(barChart),
    ...(notes.length > 0 ? [`<ul>${notes.map((note) => `<li>${escapeHtml(note)}</li>`).join("\n")}</ul>`] : []),
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title>
<style>
${style}
</style>
</head>
<body>
${lines.join("\n")}
</body>
</html>
`;
}
