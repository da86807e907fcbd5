import { stat } from "node:fs/promises";
import { extname } from "node:path";
import type { Tokenizer } from "@lowrank/models";
import { blocks, type Example, loadDataset, packExamples, readRecords, type TokenizedExample } from "@lowrank/train";
import { exampleReader, type RecordReader } from "@lowrank/train/internal";
import { warn } from "../../../cli/loading/loading.ts";

/** Options for training and validation data. */
export interface DataOptions {
  data: string[];
  validation?: string;
  /** Share of the data, at its end, that is used for validation without a `validation` file. */
  validationFraction: number;
  /**
   * Names of the record keys to read, by field of an example: `{ prompt: "question" }` reads the prompt from the key
   * "question".
   */
  columns?: Readonly<Record<string, string>>;
  /** On an invalid record: "error" throws; "skip" leaves the record out with a warning. */
  onBadRecord?: "error" | "skip";
  /** Tokens in a block of text, or of packed examples. */
  blockSize: number;
  /** Packs several examples into a block instead of padding them. Default false. */
  pack?: boolean;
  trainTokens?: number;
  validationTokens?: number;
}

/** Tokenized examples, with a sentence that describes their source. */
export interface TrainData {
  train: TokenizedExample[];
  validation: TokenizedExample[];
  description: string;
}

const recordEndings = [".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".parquet"];

/** Returns true if a file holds records, such as JSONL or CSV, and false for a plain text. */
export const holdsRecords = (path: string): boolean => recordEndings.includes(extname(path).toLowerCase());

/** Content of data files: the tokens of one long text, or tokenized examples. */
type Source = { ids: number[] } | { examples: TokenizedExample[] };

/**
 * Reads text files as one text, or record files as examples. A text is cut into blocks of `blockSize` tokens; each
 * block begins with BOS if the tokenizer adds BOS to texts. Throws if text files and record files are mixed, or if no
 * training data is left.
 */
export async function readTrainData(tokenizer: Tokenizer, options: DataOptions): Promise<TrainData> {
  const source = await read(tokenizer, options.data, options);
  const [head, tail] = options.validation
    ? [source, await read(tokenizer, [options.validation], options)]
    : divide(source, 1 - options.validationFraction);
  const train = cut(tokenizer, limit(head, options.trainTokens), options);
  const validation = cut(tokenizer, limit(tail, options.validationTokens), options);
  if (train.length === 0) throw noTrainingData(options.data);
  const unit = "ids" in source || options.pack ? `blocks of ${options.blockSize}` : "examples";
  const description = `${countTokens(train)} tokens in ${train.length} ${unit} to train on, ${countTokens(validation)} in ${validation.length} to validate`;
  return { train, validation, description };
}

/** Returns the error for data that leaves no training examples after the validation split. */
export function noTrainingData(paths: readonly string[]): Error {
  return new Error(
    `${paths.join(", ")}: nothing is left to train on; give more data or a smaller --validation-fraction`,
  );
}

/** Returns the total number of tokens in examples as text, with commas. */
function countTokens(examples: readonly TokenizedExample[]): string {
  return examples.reduce((sum, { inputIds }) => sum + inputIds.length, 0).toLocaleString("en-US");
}

/** Options for converting records to examples. */
type RecordOptions = Pick<DataOptions, "columns" | "onBadRecord">;

async function read(tokenizer: Tokenizer, paths: readonly string[], options: RecordOptions): Promise<Source> {
  if (paths.some(holdsRecords)) return { examples: await readExamples(exampleReader(tokenizer), paths, options) };
  if (!options.columns) return { ids: await readTexts(tokenizer, paths) };
  throw new Error(
    `--columns is for ${recordEndings.join(", ")}, and --data is ${paths.join(", ")}; leave --columns out`,
  );
}

/** Reads the examples of record files, and warns about skipped records. Errors name file and line. */
export async function readExamples<Parsed, Tokenized>(
  reader: RecordReader<Parsed, Tokenized>,
  paths: readonly string[],
  { columns, onBadRecord }: RecordOptions,
): Promise<Tokenized[]> {
  checkKinds(paths);
  const examples: Tokenized[] = [];
  const skipped: string[] = [];
  const onSkip = (message: string) => void skipped.push(message);
  for (const path of paths) {
    for await (const { example, where } of itemsOf(path, readRecords(path, reader, { columns, onBadRecord, onSkip }))) {
      try {
        examples.push(await reader.tokenize(example));
      } catch (error) {
        const message = `${where}: ${(error as Error).message}`;
        if (onBadRecord !== "skip") throw new Error(message, { cause: error });
        skipped.push(message);
      }
    }
  }
  warnOfSkipped(skipped.slice(0, mostTold), skipped.length);
  return examples;
}

/** Throws if text files are mixed with record files. */
export function checkKinds(paths: readonly string[]): void {
  const records = paths.filter(holdsRecords);
  if (records.length === paths.length) return;
  throw new Error(
    `--data mixes examples (${records.join(", ")}) with texts; give files of one kind (${recordEndings.join(", ")} hold examples)`,
  );
}

/** Warns how many records were skipped, with the reasons for the first ones. */
export function warnOfSkipped(first: readonly string[], count: number): void {
  if (count === 0) return;
  const more = count > first.length ? `; and ${count - first.length} more` : "";
  const records = count === 1 ? "1 record was" : `${count} records were`;
  warn({ code: "skipped-records", message: `${records} skipped: ${first.join("; ")}${more}` });
}

const mostTold = 3;

async function readTexts(tokenizer: Tokenizer, paths: readonly string[]): Promise<number[]> {
  const ids: number[] = [];
  for (const path of paths) {
    for await (const example of itemsOf(path, textsOf(path))) {
      if (!("text" in example)) continue;
      for (const id of tokenizer.encode(example.text, { addSpecialTokens: false })) ids.push(id);
    }
  }
  return ids;
}

/** Yields the items of a file. If the file cannot be opened, adds its name to the error. */
async function* itemsOf<Item>(path: string, items: AsyncIterable<Item>): AsyncGenerator<Item> {
  try {
    yield* items;
  } catch (error) {
    const found = /^\w+:\/\//.test(path) ? undefined : await stat(path).catch(() => null);
    if (found === null) throw new Error(`there is no file ${path}`, { cause: error });
    if (found?.isDirectory()) throw new Error(`${path} is a folder; give the files in it`, { cause: error });
    throw error;
  }
}

async function* textsOf(path: string): AsyncGenerator<Example> {
  yield* await loadDataset(path, { format: "text" });
}

/** Splits a list after the first `share` of its items. */
export function split<T>(items: readonly T[], share: number): [T[], T[]] {
  const at = Math.ceil(items.length * share);
  return [items.slice(0, at), items.slice(at)];
}

/** Splits a source after the first `share` of its tokens or examples. */
function divide(source: Source, share: number): [Source, Source] {
  if ("ids" in source) {
    const [first, last] = split(source.ids, share);
    return [{ ids: first }, { ids: last }];
  }
  const [first, last] = split(source.examples, share);
  return [{ examples: first }, { examples: last }];
}

/**
 * Returns the first `tokens` tokens of a text or, for a list of examples, the examples that start within its first
 * `tokens` tokens.
 */
function limit(source: Source, tokens = Number.POSITIVE_INFINITY): Source {
  if ("ids" in source) return { ids: source.ids.slice(0, tokens) };
  return { examples: startingWithin(source.examples, tokens, ({ inputIds }) => inputIds.length) };
}

/** Returns the examples that start within the first `tokens` tokens of all examples together. */
export function startingWithin<T>(examples: readonly T[], tokens: number, size: (example: T) => number): T[] {
  let seen = 0;
  return examples.filter((example) => {
    const within = seen < tokens;
    seen += size(example);
    return within;
  });
}

function cut(tokenizer: Tokenizer, source: Source, { blockSize, pack }: DataOptions): TokenizedExample[] {
  if ("ids" in source) {
    return blocks(source.ids, { blockSize, bosTokenId: bosOf(tokenizer) });
  }
  return pack ? packExamples(source.examples, { blockSize }) : source.examples;
}

/** Returns the BOS token id if the tokenizer puts it before a text; otherwise null. */
export function bosOf(tokenizer: Tokenizer): number | null {
  return tokenizer.encode("")[0] === tokenizer.bosTokenId ? tokenizer.bosTokenId : null;
}
