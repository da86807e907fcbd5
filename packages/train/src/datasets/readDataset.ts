import { checkOptions, type OptionKeys } from "@lowrank/core/internal";
import { type Example, toExample } from "../data/example.ts";
import { joinBytes } from "./byteLines.ts";
import { type DataRecord, decodeUtf8 } from "./dataRecord.ts";
import { jsonArray, jsonLines } from "./jsonRecords.ts";
import type { RecordForm } from "./recordReader.ts";

/** The format of a data file: plain text, one JSON value per line, one JSON array, or rows below a header. */
export type DatasetFormat = "text" | "jsonl" | "json" | "csv" | "tsv";

/** Options for converting records to examples. */
export interface RecordOptions {
  /** The record's key for each key of an example: { prompt: "question", completion: "answer" }. */
  columns?: Readonly<Record<string, string>>;
  /** Converts a record to an example. Default: the record is one. */
  map?: (record: unknown) => unknown;
  /**
   * Throws for ("error") or skips ("skip") an invalid record: broken JSON, invalid UTF-8, a wrong type, an empty text.
   * Default: "error".
   */
  onBadRecord?: "error" | "skip";
  /** Called for each skipped record, with the error message. */
  onSkip?: (message: string) => void;
}

/** Options of `readDataset`. */
export interface ReadDatasetOptions extends RecordOptions {
  /** The file's name, for errors and to determine the format. Default: "data". */
  name?: string;
  /**
   * Default: by the extension (.txt, .md, .jsonl, .ndjson, .csv, .tsv), otherwise by the first character ([ array, {
   * JSONL).
   */
  format?: DatasetFormat;
}

/** Names of all options of `ReadDatasetOptions`. */
export const readDatasetKeys: OptionKeys<ReadDatasetOptions> = {
  ...({ name: true, format: true, columns: true, map: true, onBadRecord: true, onSkip: true } as const),
};

const byEnding: Record<string, DatasetFormat> = {
  ...{ txt: "text", md: "text", jsonl: "jsonl", ndjson: "jsonl", csv: "csv", tsv: "tsv" },
};

/**
 * Reads the examples of a data file, given as a string, as bytes or as chunks of these. A text file is one example.
 * Errors contain the file, the line, the value and the accepted forms. Throws for a file without examples.
 */
export async function* readDataset(
  source: string | Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>,
  options: ReadDatasetOptions = {},
): AsyncGenerator<Example> {
  checkOptions("readDataset", options, readDatasetKeys);
  const { name = "data" } = options;
  const [format, pieces] = await formatOf(bytesOf(typeof source === "string" ? [source] : source), options);
  if (format === "text") {
    const text = await textOf(pieces, name);
    if (text === "") throw new Error(`${name} is empty`);
    yield { text };
    return;
  }
  yield* examplesOf(await recordsOf(format, pieces, name), options);
}

/** Returns the records of a file's chunks. Throws for a text file. */
export async function recordsIn(
  source: AsyncIterable<Uint8Array>,
  options: Pick<ReadDatasetOptions, "name" | "format">,
): Promise<AsyncIterable<DataRecord>> {
  const { name = "data" } = options;
  const [format, pieces] = await formatOf(source[Symbol.asyncIterator](), options);
  if (format !== "text") return recordsOf(format, pieces, name);
  throw new Error(`${name} is a text, and holds no records; give a file of .jsonl, .json, .csv, .tsv or .parquet`);
}

/** Returns the format of a file, and all of its chunks again. */
async function formatOf(
  pieces: AsyncIterator<Uint8Array>,
  { name = "data", format }: Pick<ReadDatasetOptions, "name" | "format">,
): Promise<[DatasetFormat, AsyncIterable<Uint8Array>]> {
  const [start, all] = await peek(pieces);
  return [format ?? byEnding[name.split(".").at(-1)?.toLowerCase() ?? ""] ?? guess(start), all];
}

/** Returns the records of a file of any format except text. */
async function recordsOf(
  format: Exclude<DatasetFormat, "text">,
  pieces: AsyncIterable<Uint8Array>,
  name: string,
): Promise<AsyncIterable<DataRecord>> {
  if (format === "jsonl") return jsonLines(pieces, name);
  if (format === "json") return jsonArray(pieces, name);
  const { tableRecords } = await import("./tableRecords.ts");
  return tableRecords(pieces, name, format === "tsv" ? "\t" : ",");
}

/** Yields the examples of a file's records. Throws if there are none. */
export async function* examplesOf(
  records: AsyncIterable<DataRecord>,
  options: ReadDatasetOptions,
): AsyncGenerator<Example> {
  for await (const { example } of parsedRecords(records, toExample, options)) yield example;
}

/** A valid record and its position. */
export interface ParsedRecord<Parsed> {
  readonly example: Parsed;
  readonly where: string;
}

/** Yields the valid records of a file. Throws if there are none. */
export async function* parsedRecords<Parsed>(
  records: AsyncIterable<DataRecord>,
  parse: RecordForm<Parsed>["parse"],
  { name = "data", onSkip, ...options }: ReadDatasetOptions,
): AsyncGenerator<ParsedRecord<Parsed>> {
  let count = 0;
  let skipped = 0;
  for await (const record of records) {
    count++;
    const found = exampleOf(record, parse, options);
    if ("skipped" in found) {
      skipped++;
      onSkip?.(found.skipped);
    } else yield { ...found, where: record.where };
  }
  if (count === 0) throw new Error(`${name} holds no example`);
  if (count === skipped) throw new Error(`${name}: all of its ${count} records are bad; leave onBadRecord out`);
}

/** Returns the example of a record. An invalid record throws or is skipped, depending on `onBadRecord`. */
export function exampleOf<Parsed>(
  { value, where, error }: DataRecord,
  parse: RecordForm<Parsed>["parse"],
  { columns, map, onBadRecord = "error" }: RecordOptions,
): { readonly example: Parsed } | { readonly skipped: string } {
  try {
    if (error) throw new Error(`${where}: ${error.message}`, { cause: error });
    const named = columns ? pick(value, columns, where) : value;
    return { example: parse({ value: map ? map(named) : named, where }) };
  } catch (bad) {
    if (onBadRecord === "skip") return { skipped: (bad as Error).message };
    throw bad;
  }
}

/** Returns a record with its keys renamed to an example's keys. Throws for a missing column. */
function pick(value: unknown, columns: Readonly<Record<string, string>>, where: string): Record<string, unknown> {
  const record = Object(value) as Record<string, unknown>;
  const entries = Object.entries(columns).map(([key, column]) => {
    if (Object.hasOwn(record, column)) return [key, record[column]];
    throw new Error(
      `${where}: there is no ${column} for ${key}; it has ${Object.keys(record).join(", ") || "no keys"}`,
    );
  });
  return Object.fromEntries(entries);
}

function guess(start: string): DatasetFormat {
  if (start.startsWith("[")) return "json";
  return start.startsWith("{") ? "jsonl" : "text";
}

/** Returns the first text that is not white space, and all chunks again. */
async function peek(iterator: AsyncIterator<Uint8Array>): Promise<[string, AsyncIterable<Uint8Array>]> {
  const held: Uint8Array[] = [];
  let head = "";
  while (head === "") {
    const next = await iterator.next();
    if (next.done) break;
    held.push(next.value);
    // A truncated character at the end does not matter here.
    head = new TextDecoder().decode(joinBytes(held)).trimStart();
  }
  return [head, rejoin(held, iterator)];
}

async function* rejoin(held: Uint8Array[], rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* held;
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
}

/** Encodes chunks of text as UTF-8, even if a surrogate pair is split between two chunks. */
async function* bytesOf(
  source: Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  let half = "";
  for await (const piece of source) {
    if (typeof piece !== "string") {
      yield piece;
      continue;
    }
    const text = half + piece;
    half = /[\uD800-\uDBFF]$/.test(text) ? text.slice(-1) : "";
    yield encoder.encode(half === "" ? text : text.slice(0, -1));
  }
  if (half !== "") yield encoder.encode(half);
}

/** Returns the text of a file. Throws, with the line, for invalid UTF-8. */
async function textOf(pieces: AsyncIterable<Uint8Array>, name: string): Promise<string> {
  const held: Uint8Array[] = [];
  for await (const piece of pieces) held.push(piece);
  if (held.length === 0) return "";
  const bytes = joinBytes(held);
  try {
    return decodeUtf8(bytes);
  } catch (error) {
    const { lineOfBadText } = await import("./lineOfBadText.ts");
    throw new Error(`${name}:${lineOfBadText(bytes)}: ${(error as Error).message}`, { cause: error });
  }
}
