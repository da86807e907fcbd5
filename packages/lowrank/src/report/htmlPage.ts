import { chartStyle } from "./barChart.ts";
import { lineStyle } from "./lineChart.ts";
import { escapeHtml } from "./table.ts";

/**
 * Script that makes the tables of a page sortable, by a click or Enter on a heading, and long tables filterable.
 * Without scripts the tables keep their order.
 */
const tableScript = `for (const table of document.querySelectorAll("table:has(thead)")) {
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells], rows = [...body.rows];
  const value = (row, i) => row.cells[i].dataset.value ?? row.cells[i].textContent;
  const number = (text) => Number.parseFloat(text.replaceAll(",", ""));
  heads.forEach((head, i) => {
    head.tabIndex = 0;
    head.title = "sort";
    const numeric = head.classList.contains("number");
    const compare = (a, b) => (numeric ? number(a) - number(b) : a.localeCompare(b));
    const sort = () => {
      const up = head.ariaSort === "descending" || (head.ariaSort === null && !numeric);
      for (const other of heads) other.ariaSort = null;
      head.ariaSort = up ? "ascending" : "descending";
      const none = (row) => value(row, i) === "-";
      rows.sort((a, b) => none(a) - none(b) || (up ? 1 : -1) * compare(value(a, i), value(b, i)));
      body.append(...rows);
    };
    head.addEventListener("click", sort);
    head.addEventListener("keydown", (event) => { if (event.key === "Enter") sort(); });
  });
  if (rows.length < 6) continue;
  const box = document.createElement("input");
  box.type = "search";
  box.placeholder = "filter " + rows.length + " rows";
  box.ariaLabel = box.placeholder;
  box.addEventListener("input", () => {
    const words = box.value.toLowerCase().split(" ").filter(Boolean);
    for (const row of rows) row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
  });
  table.before(box);
}`;

/** CSS for sortable and filterable tables. */
const tableStyle = `th[tabindex] { cursor: pointer; user-select: none; } th[tabindex]:hover { text-decoration: underline; }
th[aria-sort=ascending]::after { content: " \\25b2"; } th[aria-sort=descending]::after { content: " \\25bc"; }
input[type=search] { font: inherit; font-size: 13px; padding: 3px 8px; margin-bottom: 0.5em; min-width: 16em; }
@media print { input[type=search] { display: none; } th[aria-sort]::after { content: ""; } }`;

/** Content of a page, from top to bottom. */
export interface Page {
  readonly title: string;
  readonly paragraphs: readonly string[];
  /** Tables as HTML, each with a heading. */
  readonly tables: readonly { readonly heading: string; readonly html: string }[];
  /** Charts as SVG, from `barChart` and `lineChart`. */
  readonly charts: readonly string[];
  readonly notes: readonly string[];
  /** Additional CSS, placed after the default CSS of the page. */
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
