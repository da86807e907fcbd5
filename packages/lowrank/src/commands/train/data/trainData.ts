import { stat } from "node:fs/promises";
import { extname } from "node:path";
import type { Tokenizer } from "@lowrank/models";
import {
  blocks,
  type Example,
  exampleReader,
  loadDataset,
  packExamples,
  type RecordReader,
  readRecords,
  type TokenizedExample,
} from "@lowrank/train";
import { warn } from "../../../cli/loading/loading.ts";

/** The examples to train on and to validate with. */
export interface DataOptions {
  data: string[];
  validation?: string;
  /** The last part of the data that validates where there is no `validation` file. */
  validationFraction: number;
  /** The keys of records by those of an example. */
  columns?: Readonly<Record<string, string>>;
  /** Says if a record that is no example ends the command, or is left out, which is told. */
  onBadRecord?: "error" | "skip";
  /** Tokens in a block of a text, or of packed examples. */
  blockSize: number;
  /** Put several examples into a block instead of padding them. */
  pack?: boolean;
  trainTokens?: number;
  validationTokens?: number;
}

/** Tokenized examples, with a sentence about where they come from. */
export interface TrainData {
  train: TokenizedExample[];
  validation: TokenizedExample[];
  description: string;
}

const recordEndings = [".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".parquet"];

/** True for files whose records are examples. */
export const holdsRecords = (path: string): boolean => recordEndings.includes(extname(path).toLowerCase());

/** A file's tokens: one long text, or examples. */
type Source = { ids: number[] } | { examples: TokenizedExample[] };

/**
 * Reads text files as one text, cut into blocks of BOS (where the tokenizer adds one) and the
 * tokens that follow, or files of records as examples. Throws where the two are
 * mixed, or nothing is left to train on.
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

/** The error of data of which validation leaves nothing. */
export function noTrainingData(paths: readonly string[]): Error {
  return new Error(
    `${paths.join(", ")}: nothing is left to train on; give more data or a smaller --validation-fraction`,
  );
}

/** The number of tokens in examples, in words. */
function countTokens(examples: readonly TokenizedExample[]): string {
  return examples.reduce((sum, { inputIds }) => sum + inputIds.length, 0).toLocaleString("en-US");
}

/** Options of how records become examples. */
type RecordOptions = Pick<DataOptions, "columns" | "onBadRecord">;

async function read(tokenizer: Tokenizer, paths: readonly string[], options: RecordOptions): Promise<Source> {
  if (paths.some(holdsRecords)) return { examples: await readExamples(exampleReader(tokenizer), paths, options) };
  if (!options.columns) return { ids: await readTexts(tokenizer, paths) };
  throw new Error(`--columns is for ${recordEndings.join(", ")}, and --data is ${paths.join(", ")}; leave it out`);
}

/** Reads the examples of files of records. Says which were left out. Errors name file and line. */
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

/** Throws for texts among files of records. */
export function checkKinds(paths: readonly string[]): void {
  const records = paths.filter(holdsRecords);
  if (records.length === paths.length) return;
  throw new Error(
    `--data mixes examples (${records.join(", ")}) with texts; give files of one kind (${recordEndings.join(", ")} hold examples)`,
  );
}

/** Says how many records were left out, and why the first ones were. */
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

/** The items of a file. The error of one that cannot be opened says why. */
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

/** The first `share` of a list and the rest. */
export function split<T>(items: readonly T[], share: number): [T[], T[]] {
  const at = Math.ceil(items.length * share);
  return [items.slice(0, at), items.slice(at)];
}

/** The first `share` of a source and the rest. */
function divide(source: Source, share: number): [Source, Source] {
  if ("ids" in source) {
    const [first, last] = split(source.ids, share);
    return [{ ids: first }, { ids: last }];
  }
  const [first, last] = split(source.examples, share);
  return [{ examples: first }, { examples: last }];
}

/** The first `tokens` of a text; of examples, those that start within them. */
function limit(source: Source, tokens = Number.POSITIVE_INFINITY): Source {
  if ("ids" in source) return { ids: source.ids.slice(0, tokens) };
  return { examples: startingWithin(source.examples, tokens, ({ inputIds }) => inputIds.length) };
}

/** The examples that start within the first `tokens`. */
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

/** The token that stands before a text, where the tokenizer adds one. */
export function bosOf(tokenizer: Tokenizer): number | null {
  return tokenizer.encode("")[0] === tokenizer.bosTokenId ? tokenizer.bosTokenId : null;
}
