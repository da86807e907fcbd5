import { markdownInline } from "./markdownText.ts";

/** A column of a table. */
export interface Column<Row> {
  readonly title: string;
  /** Its name in JSON and CSV. */
  readonly key: string;
  /** null where there is nothing to tell. */
  value(row: Row): string | number | null;
  /** Formats a number for people. Default: whole, with commas. */
  show?(value: number): string;
}

/** A number with commas. */
export const whole = (value: number): string => value.toLocaleString("en-US", { maximumFractionDigits: 0 });

/** Four digits that count: "0.06221", "12.34", "100". */
export const digits = (value: number): string => String(Number(value.toPrecision(4)));

/** Bytes in the unit that fits, of powers of ten: "36.7 MB". */
export function byteText(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const step = bytes < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  return step === 0 ? `${bytes} B` : `${(bytes / 1000 ** step).toFixed(step === 1 ? 0 : 1)} ${units[step]}`;
}

/** One cell as people read it; "-" where there is nothing. */
function cellText<Row>({ value, show = whole }: Column<Row>, row: Row): string {
  const found = value(row);
  return typeof found === "number" ? show(found) : (found ?? "-");
}

/** Returns true if a column holds numbers, or numbers with their spread. */
function isNumeric<Row>({ value }: Column<Row>, rows: readonly Row[]): boolean {
  return rows.some((row) => typeof value(row) === "number" || /^[\d.]+( ±.*)?$/.test(String(value(row))));
}

/** Lines of columns that stand under each other. */
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

/** A table of Markdown, whose cells are shown as they are. */
export function markdownTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.map(markdownInline).join(" | ")} |`;
  return [
    line(columns.map(({ title }) => title)),
    line(columns.map((column) => (isNumeric(column, rows) ? "---:" : "---"))),
    ...rows.map((row) => line(columns.map((column) => cellText(column, row)))),
  ];
}

/** Lines of CSV (RFC 4180) with the plain numbers. */
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
 * A table of HTML; cells are of the class "number", or of their column's key, and carry their
 * number as data.
 */
export function htmlTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const kinds = columns.map((column) => ` class="${isNumeric(column, rows) ? "number" : column.key}"`);
  const heads = columns.map(({ title }, i) => `<th${kinds[i]}>${escapeHtml(title)}</th>`);
  const cell = (column: Column<Row>, i: number, row: Row) => {
    // The plain number, by which a page sorts.
    const value = column.value(row);
    const sorted = typeof value === "number" ? ` data-value="${value}"` : "";
    return `<td${kinds[i]}${sorted}>${escapeHtml(cellText(column, row))}</td>`;
  };
  const body = rows.map((row) => `<tr>${columns.map((column, i) => cell(column, i, row)).join("")}</tr>`);
  const head = `<tr>${heads.join("")}</tr>`;
  return `<table>\n<thead>${head}</thead>\n<tbody>\n${body.join("\n")}\n</tbody>\n</table>`;
}

/** Rows as objects with the plain numbers, by the columns' keys. */
export function jsonRows<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): Record<string, unknown>[] {
  return rows.map((row) => Object.fromEntries(columns.map(({ key, value }) => [key, value(row)])));
}

/** Text that HTML and SVG show as it is. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[sign] as string);
}
