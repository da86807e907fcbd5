import { OptionError } from "@lowrank/core";
import { checkOptions, type OptionKeys } from "@lowrank/core/internal";
import { type Example, toExample } from "../data/tokens/example.ts";
import { joinBytes } from "./byteLines.ts";
import { type DataRecord, decodeUtf8 } from "./dataRecord.ts";
import { jsonArray, jsonLines } from "./jsonRecords.ts";
import type { RecordForm } from "./recordReader.ts";

/**
 * The format of a data file: plain text, one JSON value per line (jsonl), one JSON array (json), or a table with a
 * header (csv, tsv).
 */
export type DatasetFormat = "text" | "jsonl" | "json" | "csv" | "tsv";

/** Options of the conversion from records of a data file to examples. */
export interface RecordOptions {
  /**
   * Maps each key of an example to the name of the record's key that holds its value: { prompt: "question", completion:
   * "answer" }. Default: the keys are the same.
   */
  columns?: Readonly<Record<string, string>>;
  /** Converts a record to an example. Default: the record must be an example. */
  map?: (record: unknown) => unknown;
  /**
   * Action for an invalid record (broken JSON, invalid UTF-8, a wrong type, an empty text): throw ("error") or skip it
   * ("skip"). Default: "error".
   */
  onBadRecord?: "error" | "skip";
  /** Called for each skipped record with the error message. */
  onSkip?: (message: string) => void;
}

/** Options of `readDataset`. */
export interface ReadDatasetOptions extends RecordOptions {
  /** The file's name, which errors contain and whose extension gives the format. Default: "data". */
  name?: string;
  /**
   * The file's format. Default: by the extension (.txt, .md, .jsonl, .ndjson, .csv, .tsv) or, if that is unknown, by
   * the first character: [ is a JSON array, { is JSONL.
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
 * Yields the examples of a data file, whose contents are given as a string, as bytes, or as chunks of either. A text
 * file is one example. Errors contain the file, the line, the invalid value and the accepted formats of records. Throws
 * if there are no examples.
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

/** Returns the records of a data file whose bytes arrive in chunks. Throws for a plain text, which has no records. */
export async function recordsIn(
  source: AsyncIterable<Uint8Array>,
  options: Pick<ReadDatasetOptions, "name" | "format">,
): Promise<AsyncIterable<DataRecord>> {
  const { name = "data" } = options;
  const [format, pieces] = await formatOf(source[Symbol.asyncIterator](), options);
  if (format !== "text") return recordsOf(format, pieces, name);
  throw new Error(`${name} is plain text without records; give a .jsonl, .json, .csv, .tsv or .parquet file`);
}

/** Returns a file's format, and all chunks of the file, including the chunks that were read to guess the format. */
async function formatOf(
  pieces: AsyncIterator<Uint8Array>,
  { name = "data", format }: Pick<ReadDatasetOptions, "name" | "format">,
): Promise<[DatasetFormat, AsyncIterable<Uint8Array>]> {
  const [start, all] = await peek(pieces);
  return [format ?? byEnding[name.split(".").at(-1)?.toLowerCase() ?? ""] ?? guess(start), all];
}

/** Returns the records of a data file in any format except plain text. */
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

/** Converts a file's records to examples. Throws if there are none. */
export async function* examplesOf(
  records: AsyncIterable<DataRecord>,
  options: ReadDatasetOptions,
): AsyncGenerator<Example> {
  for await (const { example } of parsedRecords(records, toExample, options)) yield example;
}

/** A record that was validated and converted to an example, and its position in the file. */
export interface ParsedRecord<Parsed> {
  readonly example: Parsed;
  readonly where: string;
}

/** Validates a file's records, converts them to examples, and yields the valid ones. Throws if none are valid. */
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
  if (count === skipped)
    throw new OptionError("", "onBadRecord", "skip", (named) => {
      return `${name}: all ${count} records are invalid; leave ${named("onBadRecord")} out to see the first error`;
    });
}

/**
 * Converts one record to an example. For an invalid record, throws or returns the message as `skipped`, depending on
 * `onBadRecord`.
 */
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

/** Renames a record's keys as the option `columns` requests. Throws if a column is missing. */
function pick(value: unknown, columns: Readonly<Record<string, string>>, where: string): Record<string, unknown> {
  const record = Object(value) as Record<string, unknown>;
  const entries = Object.entries(columns).map(([key, column]) => {
    if (Object.hasOwn(record, column)) return [key, record[column]];
    throw new Error(
      `${where}: the record has no key ${column}, which the option columns gives for ${key}; the record has ${Object.keys(record).join(", ") || "no keys"}`,
    );
  });
  return Object.fromEntries(entries);
}

function guess(start: string): DatasetFormat {
  if (start.startsWith("[")) return "json";
  return start.startsWith("{") ? "jsonl" : "text";
}

/**
 * Reads chunks until they contain more than white space. Returns the text of these chunks without leading white space,
 * and an iterable over all chunks of the file.
 */
async function peek(iterator: AsyncIterator<Uint8Array>): Promise<[string, AsyncIterable<Uint8Array>]> {
  const held: Uint8Array[] = [];
  let head = "";
  while (head === "") {
    const next = await iterator.next();
    if (next.done) break;
    held.push(next.value);
    // A character may be truncated at the end of the chunk, which does not matter here.
    head = new TextDecoder().decode(joinBytes(held)).trimStart();
  }
  return [head, rejoin(held, iterator)];
}

async function* rejoin(held: Uint8Array[], rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* held;
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
}

/** Encodes chunks of text as UTF-8. Handles a surrogate pair that is split between two chunks. */
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

/** Decodes a whole file as UTF-8. Throws, with the line, if it is invalid. */
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
