import { checkOptions, type OptionKeys } from "@lowrank/core";
import { type Example, toExample } from "./example.ts";
import { type JsonRecord, jsonArray, jsonLines } from "./jsonRecords.ts";

/**
 * The format of a data file: plain text, one JSON value a line, one JSON array, or rows under a
 * header.
 */
export type DatasetFormat = "text" | "jsonl" | "json" | "csv" | "tsv";

/** Options of `readDataset`. */
export interface ReadDatasetOptions {
  /** The file's name, for errors and its ending. Default "data". */
  name?: string;
  /**
   * Default: by the name's ending (.txt, .md, .jsonl, .ndjson, .csv, .tsv), else by the first
   * character ([ array, { JSONL).
   */
  format?: DatasetFormat;
  /** The keys of records by those of an example: { prompt: "question", completion: "answer" }. */
  columns?: Readonly<Record<string, string>>;
  /** Turns a record of other keys into an example. Default: it is one. */
  map?: (record: unknown) => unknown;
}

/** The names of all options of `readDataset`. */
export const readDatasetKeys: OptionKeys<ReadDatasetOptions> = { name: true, format: true, columns: true, map: true };

const byEnding: Record<string, DatasetFormat> = {
  ...{ txt: "text", md: "text", jsonl: "jsonl", ndjson: "jsonl", csv: "csv", tsv: "tsv" },
};
const byteOrderMark = "\uFEFF";

/**
 * Reads the examples of a data file, given as a string or in pieces. A text file is one
 * example. Errors name file, line, what was found and what is accepted; a file without
 * any example is an error.
 */
export async function* readDataset(
  source: string | Iterable<string> | AsyncIterable<string>,
  options: ReadDatasetOptions = {},
): AsyncGenerator<Example> {
  checkOptions("readDataset", options, readDatasetKeys);
  const { name = "data" } = options;
  const [start, chunks] = await peek(typeof source === "string" ? [source] : source);
  const format = options.format ?? byEnding[name.split(".").at(-1)?.toLowerCase() ?? ""] ?? guess(start);
  if (format === "text") {
    const text = await join(chunks);
    if (text === "") throw new Error(`${name} is empty`);
    yield { text };
    return;
  }
  yield* examplesOf(await recordsOf(format, chunks, name), options);
}

async function recordsOf(
  format: Exclude<DatasetFormat, "text">,
  chunks: AsyncIterable<string>,
  name: string,
): Promise<AsyncIterable<JsonRecord> | Iterable<JsonRecord>> {
  if (format === "jsonl") return jsonLines(chunks, name);
  if (format === "json") return jsonArray(await join(chunks), name);
  const { tableRecords } = await import("./tableRecords.ts");
  return tableRecords(await join(chunks), name, format === "tsv" ? "\t" : ",");
}

/** The examples of a file's records. Throws where there is none. */
export async function* examplesOf(
  records: AsyncIterable<JsonRecord> | Iterable<JsonRecord>,
  { name = "data", columns, map }: ReadDatasetOptions,
): AsyncGenerator<Example> {
  let count = 0;
  for await (const { value, where } of records) {
    count++;
    const named = columns ? pick(value, columns, where) : value;
    yield toExample({ value: map ? map(named) : named, where });
  }
  if (count === 0) throw new Error(`${name} holds no example`);
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

/**
 * The first characters that are not white space, and all pieces again, without a byte order mark.
 */
async function peek(source: Iterable<string> | AsyncIterable<string>): Promise<[string, AsyncIterable<string>]> {
  const iterator = pull(source);
  let head = "";
  let done = false;
  while (!done && head.trim() === "") {
    const next = await iterator.next();
    done = next.done === true;
    if (!done) head += next.value;
  }
  if (head.startsWith(byteOrderMark)) head = head.slice(1);
  return [head.trimStart(), rejoin(head, iterator)];
}

async function* pull(source: Iterable<string> | AsyncIterable<string>): AsyncGenerator<string> {
  yield* source;
}

async function* rejoin(head: string, rest: AsyncIterator<string>): AsyncGenerator<string> {
  yield head;
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
}

async function join(chunks: AsyncIterable<string>): Promise<string> {
  let text = "";
  for await (const chunk of chunks) text += chunk;
  return text;
}
