import { escapeHtml } from "./page/escapeHtml.ts";

export { escapeHtml } from "./page/escapeHtml.ts";

/** Column of a table, with a function that returns its value for a row. */
export interface Column<Row> {
  readonly title: string;
  /** Name of the column in JSON and CSV. */
  readonly key: string;
  /** Returns the cell's value; null for an empty cell. */
  value(row: Row): string | number | null;
  /** Formats a number for reading. Default: rounded to a whole number, with commas. */
  show?(value: number): string;
}

/** Rounds a number to a whole number and formats it with commas. */
export const whole = (value: number): string => value.toLocaleString("en-US", { maximumFractionDigits: 0 });

/** Formats a number with at most four significant digits: "0.06221", "12.34", "100". */
export const digits = (value: number): string => String(Number(value.toPrecision(4)));

/** Formats bytes with a decimal unit: "36.7 MB". */
export function byteText(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const step = bytes < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  return step === 0 ? `${bytes} B` : `${(bytes / 1000 ** step).toFixed(step === 1 ? 0 : 1)} ${units[step]}`;
}

/** Formats bytes for an axis, without a trailing ".0": "20 GB". */
export const byteTick = (bytes: number): string => byteText(bytes).replace(".0 ", " ");

/** Formats a cell for reading; "-" for null. */
function cellText<Row>({ value, show = whole }: Column<Row>, row: Row): string {
  const found = value(row);
  return typeof found === "number" ? show(found) : (found ?? "-");
}

/** Returns true if a cell of the column is a number, or a text with a number such as "1.2 ± 0.1". */
function isNumeric<Row>({ value }: Column<Row>, rows: readonly Row[]): boolean {
  return rows.some((row) => typeof value(row) === "number" || /^[\d.]+( ±.*)?$/.test(String(value(row))));
}

/** Returns the lines of a text table with aligned columns. */
export function textTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string[] {
  const parts = columns.map((column) => {
    const cells = [column.title, ...rows.map((row) => cellText(column, row))];
    const width = Math.max(...cells.map(({ length }) => length));
    const right = isNumeric(column, rows);
    return cells.map((cell) => (right ? cell.padStart(width) : cell.padEnd(width)));
  });
  return [-1, ...rows.keys()].map((row) =>
    parts
      .map((cells) => cells[row + 1])
      .join("  ")
      .trimEnd(),
  );
}

/** Returns the lines of a Markdown table with escaped cells. */
export function markdownTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.map(markdownInline).join(" | ")} |`;
  return [
    line(columns.map(({ title }) => title)),
    line(columns.map((column) => (isNumeric(column, rows) ? "---:" : "---"))),
    ...rows.map((row) => line(columns.map((column) => cellText(column, row)))),
  ];
}

/** Returns lines of CSV (RFC 4180) with unformatted numbers. */
export function csvTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string[] {
  const cell = (value: string | number | null) => {
    const text = String(value ?? "");
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [
    columns.map(({ key }) => cell(key)).join(","),
    ...rows.map((row) => columns.map(({ value }) => cell(value(row))).join(",")),
  ];
}

/**
 * Returns an HTML table. Cells of a numeric column have the class "number"; other cells have their column's key as
 * class. Cells with numbers also have the unformatted number as `data-value`.
 */
export function htmlTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const kinds = columns.map((column) => ` class="${isNumeric(column, rows) ? "number" : column.key}"`);
  const heads = columns.map(({ title }, i) => `<th scope="col"${kinds[i]}>${escapeHtml(title)}</th>`);
  const cell = (column: Column<Row>, i: number, row: Row) => {
    // Unformatted number for sorting.
    const value = column.value(row);
    const sorted = typeof value === "number" ? ` data-value="${value}"` : "";
    return `<td${kinds[i]}${sorted}>${escapeHtml(cellText(column, row))}</td>`;
  };
  const body = rows.map((row) => `<tr>${columns.map((column, i) => cell(column, i, row)).join("")}</tr>`);
  const head = `<tr>${heads.join("")}</tr>`;
  return `<table>\n<thead>${head}</thead>\n<tbody>\n${body.join("\n")}\n</tbody>\n</table>`;
}

/** Returns rows as objects with unformatted numbers, by the columns' keys. */
export function jsonRows<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): Record<string, unknown>[] {
  return rows.map((row) => Object.fromEntries(columns.map(({ key, value }) => [key, value(row)])));
}

/** Formats a duration in seconds: "1 h 02 min", "3 min 20 s" or "8.4 s". */
export function formatSeconds(seconds: number): string {
  const whole = Math.round(seconds);
  const two = (n: number) => String(n).padStart(2, "0");
  if (whole >= 3600) return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
  if (whole >= 60) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return whole >= 10 ? `${whole} s` : `${seconds.toFixed(1)} s`;
}

/**
 * Escapes a text for Markdown and puts it on one line. Does not escape "|", so a table cell requires further escaping.
 */
export function markdownText(text: string): string {
  const line = text.replace(/\s+/g, " ").replace(/[\\`*_{}[\]<>~&$]/g, "\\$&");
  // At the start of a line, these characters begin a heading or a list.
  return line.replace(/^(\s*\d*)([#+.)-])/, "$1\\$2");
}

/**
 * Escapes a text for use inside a Markdown line, including "|" for table cells. Does not escape underscores within a
 * word.
 */
export function markdownInline(text: string): string {
  return text.replace(/\s+/g, " ").replace(/[\\`*{}[\]<>~&$|]|(?<!\w)_|_(?!\w)/g, "\\$&");
}

/** Returns the lines of a Markdown code block. Its fence has more backticks than any run of backticks in the text. */
export function codeBlock(language: string, text: string): string[] {
  const longest = Math.max(2, ...Array.from(text.matchAll(/`+/g), ([run]) => run.length));
  const fence = "`".repeat(longest + 1);
  return [`${fence}${language}`, text, fence];
}
