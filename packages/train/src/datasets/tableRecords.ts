import { parse } from "csv-parse/browser/esm/sync";
import { byteLines, joinBytes } from "./byteLines.ts";
import { type DataRecord, decodeUtf8, recordOf } from "./dataRecord.ts";

const quote = 34;

/** Rows are parsed in groups of about this many bytes. */
const together = 1 << 18;

/** Yields the rows of a table as records, with keys from its first line. */
export async function* tableRecords(
  pieces: AsyncIterable<Uint8Array>,
  name: string,
  delimiter: "," | "\t",
): AsyncGenerator<DataRecord> {
  let columns: readonly string[] | null = null;
  let rows: Row[] = [];
  let size = 0;
  for await (const row of tableRows(pieces)) {
    if (!columns) {
      columns = header(row, name, delimiter);
      continue;
    }
    rows.push(row);
    size += row.bytes.length;
    if (size < together) continue;
    yield* recordsOf(rows, columns, name, delimiter);
    [rows, size] = [[], 0];
  }
  if (columns && rows.length > 0) yield* recordsOf(rows, columns, name, delimiter);
}

/** Returns a function that parses the bytes of one row, with keys from the first line. */
export async function tableReader(
  pieces: AsyncIterable<Uint8Array>,
  name: string,
  delimiter: "," | "\t",
): Promise<(bytes: Uint8Array) => Record<string, string>> {
  for await (const first of tableRows(pieces)) {
    const columns = header(first, name, delimiter);
    return (bytes) => named(columns, cellsOf([{ bytes, line: 0, offset: 0 }], delimiter)[0]);
  }
  throw new Error(`${name} holds no example`);
}

/** A row, which may span several lines. */
interface Row {
  readonly bytes: Uint8Array;
  readonly line: number;
  readonly offset: number;
}

function header(row: Row, name: string, delimiter: string): readonly string[] {
  const { value, error, where } = recordOf(`${name}:${row.line}`, undefined, () => cellsOf([row], delimiter)[0]);
  if (error) throw new Error(`${where}: ${error.message}`, { cause: error });
  return value as string[];
}

/** Yields the records of some rows. Parses them together, or one by one if that fails. */
function* recordsOf(
  rows: readonly Row[],
  columns: readonly string[],
  name: string,
  delimiter: string,
): Generator<DataRecord> {
  const all = attempt(() => cellsOf(rows, delimiter));
  for (const [i, row] of rows.entries()) {
    const span = { offset: row.offset, length: row.bytes.length };
    yield recordOf(`${name}:${row.line}`, span, () => named(columns, all?.[i] ?? cellsOf([row], delimiter)[0]));
  }
}

/** Returns the result of `read`, or null if it throws. */
function attempt(read: () => string[][]): string[][] | null {
  try {
    return read();
  } catch {
    return null;
  }
}

/** Returns the cells of rows. Throws if the number of rows changes. */
function cellsOf(rows: readonly Row[], delimiter: string): string[][] {
  const text = rows.map(({ bytes }) => decodeUtf8(bytes)).join("\n");
  const found = parse(text, { delimiter, relax_column_count: true }) as string[][];
  if (found.length !== rows.length) throw new Error(`${rows.length} rows were read as ${found.length}`);
  return found;
}

function named(columns: readonly string[], cells: readonly string[]): Record<string, string> {
  if (cells.length !== columns.length) {
    throw new Error(`the row has ${cells.length} cells, and the table has ${columns.length} columns`);
  }
  return Object.fromEntries(columns.map((column, i) => [column, cells[i]]));
}

/** Yields the nonblank rows of a table. A line break in quotes does not end a row. */
async function* tableRows(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Row> {
  const encoder = new TextEncoder();
  let held: Uint8Array[] = [];
  let start = { line: 0, offset: 0 };
  let isOpen = false;
  for await (const { bytes, line, offset, end } of byteLines(pieces)) {
    if (held.length === 0) {
      if (bytes.length === 0) continue;
      start = { line, offset };
    }
    held.push(bytes);
    for (let at = bytes.indexOf(quote); at >= 0; at = bytes.indexOf(quote, at + 1)) isOpen = !isOpen;
    if (isOpen) {
      held.push(encoder.encode(end));
      continue;
    }
    yield { bytes: joinBytes(held), ...start };
    held = [];
  }
  if (held.length > 0) yield { bytes: joinBytes(held), ...start };
}
