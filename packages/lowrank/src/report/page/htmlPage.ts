import { chartStyle } from "./chartStyle.ts";
import { escapeHtml } from "./escapeHtml.ts";
import { tableScript, tableStyle } from "./tableScript.ts";

/** Content of a page, from top to bottom. */
export interface Page {
  readonly title: string;
  readonly paragraphs: readonly string[];
  /** Tables as HTML, each with a heading. */
  readonly tables: readonly { readonly heading: string; readonly html: string }[];
  /** Charts as HTML, from `barChart` and `lineChart`. */
  readonly charts: readonly string[];
  /** Shows the charts above the tables. Default false. */
  readonly chartsFirst?: boolean;
  readonly notes: readonly string[];
  /** Additional CSS, placed after the default CSS of the page. */
  readonly style?: string;
}

const style = `:root { color-scheme: light dark; --page: #fff; --ink: #1b1f24; --line: #8886; }
@media (prefers-color-scheme: dark) { :root { --page: #14171c; --ink: #e6e9ee; } }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 1720px; padding: 1.5em clamp(0.8em, 3vw, 2.5em); background: var(--page); color: var(--ink); }
h1 { margin: 0; font-size: 1.7em; overflow-wrap: anywhere; } h1 + p { margin-top: 0.3em; opacity: 0.85; } h2 { margin: 1.4em 0 0.5em; font-size: 1.2em; }
p, li { max-width: 75em; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; }
th, td { padding: 4px 8px; border-bottom: 1px solid var(--line); text-align: left; white-space: nowrap; vertical-align: top; }
thead th { border-bottom-color: #888; white-space: normal; vertical-align: bottom; } tbody tr:hover td { background: color-mix(in srgb, var(--ink) 7%, var(--page)); }
th:first-child, td:first-child { position: sticky; left: 0; background: var(--page); }
.number { text-align: right; font-variant-numeric: tabular-nums; }
td.settings, td.reading, td.what { white-space: normal; min-width: 13em; overflow-wrap: anywhere; }
@media (max-width: 700px) { th, td { padding: 4px 6px; } td:first-child { white-space: normal; max-width: 8.5em; } }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 430px), 1fr)); gap: 2em 2.5em; margin: 1.2em 0 2em; align-items: start; }
@media print {
  :root { color-scheme: light; --page: #fff; --ink: #000; } body { max-width: none; padding: 0; font-size: 11px; }
  table { font-size: 9px; } th, td { padding: 2px 5px; } .wide { overflow: visible; } th:first-child, td:first-child { position: static; }
  tr, figure { break-inside: avoid; } thead { display: table-header-group; } h2 { break-after: avoid; }
}
${chartStyle}
${tableStyle}`;

/**
 * Returns an HTML page that loads no other files. It follows the reader's light or dark mode, its tables can be sorted
 * and filtered, and it prints on white.
 */
export function htmlPage({
  title,
  paragraphs,
  tables,
  charts,
  chartsFirst = false,
  notes,
  style: more = "",
}: Page): string {
  const grid = charts.length > 0 ? [chartGrid(charts)] : [];
  const lines = [
    `<h1>${escapeHtml(title)}</h1>`,
    ...paragraphs.map((text) => `<p>${escapeHtml(text)}</p>`),
    ...(chartsFirst ? grid : []),
    ...tables.map(({ heading, html }) => {
      const label = `tabindex="0" role="region" aria-label="${escapeHtml(heading)}"`;
      return `<h2>${escapeHtml(heading)}</h2>\n<div class="wide" ${label}>${html}</div>`;
    }),
    ...(chartsFirst ? [] : grid),
    ...(notes.length > 0 ? [`<ul>${notes.map((note) => `<li>${escapeHtml(note)}</li>`).join("\n")}</ul>`] : []),
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>
${style}${more === "" ? "" : `\n${more}`}
</style>
</head>
<body>
<main>
${lines.join("\n")}
</main>
<script>
${tableScript}
</script>
</body>
</html>
`;
}

/** Returns charts in as many columns as fit. */
export function chartGrid(charts: readonly string[]): string {
  return `<div class="charts">\n${charts.join("\n")}\n</div>`;
}
