import { chartStyle } from "./barChart.ts";
import { lineStyle } from "./lineChart.ts";
import { escapeHtml } from "./table.ts";
import { tableScript, tableStyle } from "./tableScript.ts";

/** Content of a page, from top to bottom. */
export interface Page {
  readonly title: string;
  readonly paragraphs: readonly string[];
  /** Tables as HTML, each with a heading. */
  readonly tables: readonly { readonly heading: string; readonly html: string }[];
  /** Charts as SVG, from `barChart` and `lineChart`. */
  readonly charts: readonly string[];
  readonly notes: readonly string[];
  /** CSS to add to the page's own. */
  readonly style?: string;
}

const style = `:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 1360px; padding: 1.5em; }
h1 { margin: 0; font-size: 1.7em; } h1 + p { margin-top: 0.3em; opacity: 0.75; } h2 { margin: 1.4em 0 0.5em; font-size: 1.2em; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; }
th, td { padding: 4px 9px; border-bottom: 1px solid #8884; text-align: left; white-space: nowrap; }
th { border-bottom-color: #888; } tbody tr:hover td { background: color-mix(in srgb, CanvasText 7%, Canvas); }
th:first-child, td:first-child { position: sticky; left: 0; background: Canvas; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
td.settings, td.reading, td.what { white-space: normal; min-width: 15em; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 520px), 1fr)); gap: 1.5em 2.5em; margin: 2em 0; align-items: start; }
@media print {
  :root { color-scheme: light; } body { max-width: none; padding: 0; font-size: 11px; }
  table { font-size: 9px; } th, td { padding: 2px 5px; } .wide { overflow: visible; } th:first-child, td:first-child { position: static; }
  tr, svg { break-inside: avoid; } thead { display: table-header-group; } h2 { break-after: avoid; }
}
${chartStyle}
${lineStyle}
${tableStyle}`;

/**
 * Returns an HTML page that loads no other files. It follows the reader's light or dark mode, its tables can be sorted
 * and filtered, and it prints on white.
 */
export function htmlPage({ title, paragraphs, tables, charts, notes, style: more = "" }: Page): string {
  const lines = [
    `<h1>${escapeHtml(title)}</h1>`,
    ...paragraphs.map((text) => `<p>${escapeHtml(text)}</p>`),
    ...tables.map(({ heading, html }) => `<h2>${escapeHtml(heading)}</h2>\n<div class="wide">${html}</div>`),
    ...(charts.length > 0 ? [`<div class="charts">\n${charts.join("\n")}\n</div>`] : []),
    ...(notes.length > 0 ? [`<ul>${notes.map((note) => `<li>${escapeHtml(note)}</li>`).join("\n")}</ul>`] : []),
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title>
<style>
${style}${more === "" ? "" : `\n${more}`}
</style>
</head>
<body>
${lines.join("\n")}
<script>
${tableScript}
</script>
</body>
</html>
`;
}
