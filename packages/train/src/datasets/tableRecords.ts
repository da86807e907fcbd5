import { parse } from "csv-parse/browser/esm/sync";
import { byteLines, joinBytes } from "./byteLines.ts";
import { type DataRecord, decodeUtf8, recordOf } from "./dataRecord.ts";

const quote = 34;

/** Number of rows that are parsed in one call, since parsing them one by one is slower. */
const together = 256;

/** Yields one record for each row of a table, with the cells of the table's first line as keys. */
export async function* tableRecords(
  pieces: AsyncIterable<Uint8Array>,
  name: string,
  delimiter: "," | "\t",
): AsyncGenerator<DataRecord> {
  let columns: readonly string[] | null = null;
  let rows: Row[] = [];
  for await (const row of tableRows(pieces)) {
    if (!columns) {
      columns = header(row, name, delimiter);
      continue;
    }
    rows.push(row);
    if (rows.length < together) continue;
    yield* recordsOf(rows, columns, name, delimiter);
    rows = [];
  }
  if (columns) yield* recordsOf(rows, columns, name, delimiter);
}

/**
 * Returns a function that converts the bytes of one row to a record, with the cells of the table's first line as keys.
 */
export async function tableReader(
  pieces: AsyncIterable<Uint8Array>,
  name: string,
  delimiter: "," | "\t",
): Promise<(bytes: Uint8Array) => Record<string, string>> {
  for await (const first of tableRows(pieces)) {
    const columns = header(first, name, delimiter);
    return (bytes) => named(columns, cellsOf([bytes], delimiter)[0]);
  }
  throw new Error(`${name} holds no example`);
}

/** A row of a table, which may contain line breaks in quotes and thus span several lines. */
interface Row {
  readonly bytes: Uint8Array;
  readonly line: number;
  readonly offset: number;
}

function header(row: Row, name: string, delimiter: string): readonly string[] {
  const { value, error, where } = recordOf(`${name}:${row.line}`, undefined, () => cellsOf([row.bytes], delimiter)[0]);
  if (error) throw new Error(`${where}: ${error.message}`, { cause: error });
  return value as string[];
}

/**
 * Yields the records of several rows. Parses all rows in one call. If that fails, parses them one by one, so that only
 * the invalid rows become errors.
 */
function* recordsOf(
  rows: readonly Row[],
  columns: readonly string[],
  name: string,
  delimiter: string,
): Generator<DataRecord> {
  const parts = rows.map(({ bytes }) => bytes);
  const all = attempt(() => cellsOf(parts, delimiter));
  for (const [i, row] of rows.entries()) {
    const span = { offset: row.offset, length: row.bytes.length };
    yield recordOf(`${name}:${row.line}`, span, () => named(columns, all?.[i] ?? cellsOf([row.bytes], delimiter)[0]));
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

/**
 * Parses rows of a table and returns the cells of each. Throws if the number of parsed rows differs from the number of
 * given rows.
 */
function cellsOf(rows: readonly Uint8Array[], delimiter: string): string[][] {
  const text = rows.map(decodeUtf8).join("\n");
  const found = parse(text, { delimiter }) as string[][];
  if (found.length !== rows.length)
    throw new Error(`${rows.length} rows were parsed as ${found.length}; check their quotes`);
  return found;
}

function named(columns: readonly string[], cells: readonly string[]): Record<string, string> {
  if (cells.length !== columns.length) {
    throw new Error(`the row has ${cells.length} cells, and the table has ${columns.length} columns`);
  }
  return Object.fromEntries(columns.map((column, i) => [column, cells[i]]));
}

/** Yields the rows of a table that are not blank. A line break in quotes does not end a row. */
async function* tableRows(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Row> {
  const encoder = new TextEncoder();
  let row: { held: Uint8Array[]; line: number; offset: number } | null = null;
  let isOpen = false;
  for await (const { bytes, line, offset, end } of byteLines(pieces)) {
    if (!row && bytes.length === 0) continue;
    row ??= { held: [], line, offset };
    row.held.push(bytes);
    for (let at = bytes.indexOf(quote); at >= 0; at = bytes.indexOf(quote, at + 1)) isOpen = !isOpen;
    if (isOpen) {
      row.held.push(encoder.encode(end));
      continue;
    }
    yield joined(row);
    row = null;
  }
  if (row) yield joined(row);
}

const joined = ({ held, line, offset }: { held: Uint8Array[]; line: number; offset: number }): Row => {
  return { bytes: joinBytes(held), line, offset };
};
