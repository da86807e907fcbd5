import { checkOptions, type OptionKeys } from "@lowrank/core";
import { type Example, toExample } from "../data/example.ts";
import { joinBytes } from "./byteLines.ts";
import { type DataRecord, decodeUtf8 } from "./dataRecord.ts";
import { jsonArray, jsonLines } from "./jsonRecords.ts";
import type { RecordForm } from "./recordReader.ts";

/**
 * The format of a data file: plain text, one JSON value a line, one JSON array, or rows under a
 * header.
 */
export type DatasetFormat = "text" | "jsonl" | "json" | "csv" | "tsv";

/** Options of how records become examples. */
export interface RecordOptions {
  /** The keys of records by those of an example: { prompt: "question", completion: "answer" }. */
  columns?: Readonly<Record<string, string>>;
  /** Turns a record of other keys into an example. Default: it is one. */
  map?: (record: unknown) => unknown;
  /**
   * Says if a record that is no example is an error, or is left out: broken JSON, bytes that are
   * not UTF-8, a wrong type, an empty text. Default "error".
   */
  onBadRecord?: "error" | "skip";
  /** Called for each record that is skipped, with what an error would say. */
  onSkip?: (message: string) => void;
}

/** Options of `readDataset`. */
export interface ReadDatasetOptions extends RecordOptions {
  /** The file's name, for errors and its ending. Default "data". */
  name?: string;
  /**
   * Default: by the name's ending (.txt, .md, .jsonl, .ndjson, .csv, .tsv), else by the first
   * character ([ array, { JSONL).
   */
  format?: DatasetFormat;
}

/** The names of all options of `ReadDatasetOptions`. */
export const readDatasetKeys: OptionKeys<ReadDatasetOptions> = {
  ...({ name: true, format: true, columns: true, map: true, onBadRecord: true, onSkip: true } as const),
};

const byEnding: Record<string, DatasetFormat> = {
  ...{ txt: "text", md: "text", jsonl: "jsonl", ndjson: "jsonl", csv: "csv", tsv: "tsv" },
};

/**
 * Reads the examples of a data file, given as a string, as bytes or in pieces of these. A text file
 * is one example. Errors name file, line, what was found and what is accepted; a file without any
 * example is an error.
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

/** Returns the records of a file's pieces. Throws for a text, which has none. */
export async function recordsIn(
  source: AsyncIterable<Uint8Array>,
  options: Pick<ReadDatasetOptions, "name" | "format">,
): Promise<AsyncIterable<DataRecord>> {
  const { name = "data" } = options;
  const [format, pieces] = await formatOf(source[Symbol.asyncIterator](), options);
  if (format !== "text") return recordsOf(format, pieces, name);
  throw new Error(`${name} is a text, and holds no records; give a file of .jsonl, .json, .csv, .tsv or .parquet`);
}

/** The format of a file, and all of its pieces again. */
async function formatOf(
  pieces: AsyncIterator<Uint8Array>,
  { name = "data", format }: Pick<ReadDatasetOptions, "name" | "format">,
): Promise<[DatasetFormat, AsyncIterable<Uint8Array>]> {
  const [start, all] = await peek(pieces);
  return [format ?? byEnding[name.split(".").at(-1)?.toLowerCase() ?? ""] ?? guess(start), all];
}

/** The records of a file of any format but text. */
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

/** The examples of a file's records. Throws where there is none. */
export async function* examplesOf(
  records: AsyncIterable<DataRecord>,
  options: ReadDatasetOptions,
): AsyncGenerator<Example> {
  for await (const { example } of parsedRecords(records, toExample, options)) yield example;
}

/** A record that is one of its kind, and its place. */
export interface ParsedRecord<Parsed> {
  readonly example: Parsed;
  readonly where: string;
}

/** The records of a file that are of a kind. Throws where there is none. */
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

/** Returns the example of a record. One that is none is an error, or is skipped as options say. */
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

/** A record with the keys of an example. Throws for a column that it lacks. */
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

/** The first characters that are not white space, and all pieces again. */
async function peek(iterator: AsyncIterator<Uint8Array>): Promise<[string, AsyncIterable<Uint8Array>]> {
  const held: Uint8Array[] = [];
  let head = "";
  let done = false;
  while (!done && head === "") {
    const next = await iterator.next();
    done = next.done === true;
    if (done) break;
    held.push(next.value);
    // A byte order mark is white space to `trim`; a character that is cut off is no matter here.
    head = new TextDecoder("utf-8", { ignoreBOM: true }).decode(joinBytes(held)).trimStart().slice(0, 1);
  }
  return [head, rejoin(held, iterator)];
}

async function* rejoin(held: Uint8Array[], rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* held;
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
}

/** Pieces of text as UTF-8, even where one ends in the middle of a character. */
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

/** The text of a file. Throws, with the line, for bytes that are not UTF-8. */
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
