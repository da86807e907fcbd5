import { stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Tokenizer } from "@lowrank/models";
import {
  concatenateDatasets,
  type Dataset,
  packDataset,
  streamBlocks,
  streamDataset,
  takeExamples,
} from "@lowrank/train";
import { exampleReader, type RecordReader } from "@lowrank/train/internal";
import { loadingProgress } from "../../../cli/loading/loadingProgress.ts";
import type { TaskData } from "../tasks/commandTask.ts";
import { indexAside } from "./indexAside.ts";
import {
  bosOf,
  checkKinds,
  type DataOptions,
  holdsRecords,
  noTrainingData,
  readExamples,
  readTrainData,
  split,
  startingWithin,
  warnOfSkipped,
} from "./trainData.ts";

/** Options for reading data that may be larger than memory. */
export interface OpenDataOptions extends DataOptions {
  /** Reads examples from disk when training needs them. Default: for files of more than 64 MB in total. */
  stream?: boolean;
  /** Folder for index files. Default: `lowrank/datasets` in the user's cache folder. */
  dataCache?: string;
  /** Examples per forward pass. */
  batchSize: number;
}

/** Options that determine which records are read, and how they are indexed. */
export type IndexedOptions = Omit<OpenDataOptions, "blockSize" | "validationFraction" | "batchSize">;

/** Total size in bytes above which files are streamed. */
const largeBytes = 64e6;

/**
 * Limits for large files. `mostHeldBack` is the maximum number of validation examples that are split off the training
 * data. `mostFirst` is the maximum number of training examples that are read into memory before training.
 */
const [mostHeldBack, mostFirst] = [1000, 256];

/** Reads texts or examples into memory, or opens them for streaming if they are large. */
export async function openTrainData(tokenizer: Tokenizer, options: OpenDataOptions): Promise<TaskData> {
  if (await isStreamed(options)) return streamData(tokenizer, options);
  const data = await readTrainData(tokenizer, options);
  return { ...data, first: data.train };
}

/**
 * Reads the records of a task into memory, or opens them for streaming if they are large. `unit` is the plural noun for
 * examples, such as "pairs", in the description of the data.
 */
export async function openRecordData<Parsed, Tokenized>(
  tokenizer: Tokenizer,
  reader: RecordReader<Parsed, Tokenized>,
  options: OpenDataOptions,
  unit: string,
): Promise<TaskData> {
  const texts = options.data.filter((path) => !holdsRecords(path));
  if (texts.length > 0) {
    throw new Error(
      `--data ${texts.join(", ")} is plain text; this --task needs records: .jsonl, .json, .csv, .tsv or .parquet`,
    );
  }
  if (await isStreamed(options)) {
    const { train, validation } = await streamRecords(tokenizer, reader, options);
    return opened(train, validation, reader, options.data, unit);
  }
  const { validation: file, validationFraction, trainTokens, validationTokens, data } = options;
  const all = await readExamples(reader, data, options);
  const parts = file ? [all, await readExamples(reader, [file], options)] : split(all, 1 - validationFraction);
  const limits = [trainTokens, validationTokens];
  const [train, validation] = parts.map((part, i) =>
    startingWithin(part, limits[i] ?? Number.POSITIVE_INFINITY, reader.tokens),
  );
  const count = (examples: readonly Tokenized[]) =>
    `${tokensIn(examples, reader)} tokens in ${examples.length} ${unit}`;
  const description = `${count(train)} to train on, ${count(validation)} to validate`;
  return { train, first: train, validation, description };
}

/** Returns the total number of tokens in examples as text, with commas. */
function tokensIn<Tokenized>(
  examples: readonly Tokenized[],
  { tokens }: Pick<RecordReader<never, Tokenized>, "tokens">,
): string {
  return examples.reduce((sum, example) => sum + tokens(example), 0).toLocaleString("en-US");
}

/**
 * Builds the index files of data files that will be streamed. Call it before a model is loaded, since indexing
 * temporarily needs much memory. Does nothing if the options require token counts in the index. Counting needs the
 * model's tokenizer, so such an index is built after the model is loaded.
 */
export async function indexTrainData(options: IndexedOptions, task: string, labels: readonly string[]): Promise<void> {
  if (!(await isStreamed(options)) || areTexts(options.data) || countsTokens(options)) return;
  const progress = loadingProgress(process.stderr);
  for (const path of options.data) await indexAside(path, streamSettings(path, options, progress), { task, labels });
  progress.end();
}

/** Returns true if data are streamed from disk. */
export async function isStreamed({ stream, data }: IndexedOptions): Promise<boolean> {
  const remote = data.filter((path) => /^\w+:\/\//.test(path));
  if (stream && remote.length > 0)
    throw new Error(`--stream needs files on disk; leave it out with ${remote.join(", ")}`);
  return stream ?? (remote.length === 0 && (await bytesOf(data)) > largeBytes);
}

const areTexts = (paths: readonly string[]): boolean => !paths.some(holdsRecords);

const countsTokens = ({ pack = false, trainTokens, validationTokens }: IndexedOptions): boolean =>
  pack || trainTokens !== undefined || validationTokens !== undefined;

function streamSettings(
  path: string,
  { columns, onBadRecord, dataCache = usualCache() }: IndexedOptions,
  progress: ReturnType<typeof loadingProgress>,
) {
  const onProgress = (done: { loaded: number; total: number }) => progress.onProgress({ ...done, name: path });
  return { columns, onBadRecord, cacheDir: dataCache, onProgress };
}

async function bytesOf(paths: readonly string[]): Promise<number> {
  const sizes = await Promise.all(paths.map(async (path) => (await stat(path).catch(() => null))?.size ?? 0));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Returns the default folder for index files. */
function usualCache(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "lowrank", "datasets");
}

async function streamData(tokenizer: Tokenizer, options: OpenDataOptions): Promise<TaskData> {
  const { pack = false, blockSize, data } = options;
  if (areTexts(data)) return streamTexts(tokenizer, options, loadingProgress(process.stderr));
  const reader = exampleReader(tokenizer);
  const { train, validation } = await streamRecords(tokenizer, reader, options);
  if (!pack) return opened(train, validation, reader, data, "examples");
  return opened(packDataset(train, blockSize), validation, reader, data, `blocks of ${blockSize}`);
}

/** Opens record files for streaming: examples are read when training needs them. */
async function streamRecords<Parsed, Tokenized>(
  tokenizer: Tokenizer,
  reader: RecordReader<Parsed, Tokenized>,
  options: OpenDataOptions,
): Promise<{ train: Dataset<Tokenized>; validation: readonly Tokenized[] }> {
  const { data, trainTokens } = options;
  const progress = loadingProgress(process.stderr);
  checkKinds(data);
  const parts: Dataset<Tokenized>[] = [];
  let skipped = 0;
  const told: string[] = [];
  for (const path of data) {
    const settings = { ...streamSettings(path, options, progress), reader, countTokens: countsTokens(options) };
    const part = await streamDataset(path, tokenizer, settings);
    parts.push(part);
    skipped += part.skipped;
    told.push(...part.told);
  }
  progress.end();
  warnOfSkipped(told, skipped);
  const whole = concatenateDatasets(parts);
  const other = async (file: string) => {
    const most = options.validationTokens ?? Number.POSITIVE_INFINITY;
    return startingWithin(await readExamples(reader, [file], options), most, reader.tokens);
  };
  const [head, validation] = await divide(whole, options, other);
  const train = trainTokens === undefined ? head : takeExamples(head, 0, within(head.lengths, trainTokens));
  return { train, validation };
}

async function opened<Tokenized>(
  train: Dataset<Tokenized>,
  validation: readonly Tokenized[],
  reader: Pick<RecordReader<never, Tokenized>, "tokens">,
  paths: readonly string[],
  unit: string,
): Promise<TaskData> {
  if (train.length === 0) throw noTrainingData(paths);
  const first = await train.read(numbersTo(Math.min(train.length, mostFirst)));
  const amount = `${train.length.toLocaleString("en-US")} ${unit} to train on, read from disk when they are wanted`;
  const held = `${tokensIn(validation, reader)} tokens in ${validation.length} to validate`;
  return { train, first, validation, description: `${amount}, ${held}` };
}

/** Opens text files as blocks of tokens. The last blocks are for validation. */
async function streamTexts(
  tokenizer: Tokenizer,
  options: OpenDataOptions,
  progress: ReturnType<typeof loadingProgress>,
): Promise<TaskData> {
  const { columns, data, blockSize, trainTokens } = options;
  if (columns)
    throw new Error(`--columns is for files of records, and --data is ${data.join(", ")}; leave --columns out`);
  const { cacheDir, onProgress } = streamSettings(data.join(", "), options, progress);
  const bosTokenId = bosOf(tokenizer);
  const whole = await streamBlocks(data, tokenizer, { cacheDir, blockSize, bosTokenId, onProgress });
  progress.end();
  const other = async (file: string) => {
    const own = { ...options, data: [file], validation: undefined, validationFraction: 0 };
    return (await readTrainData(tokenizer, { ...own, trainTokens: options.validationTokens })).train;
  };
  const [head, validation] = await divide(whole, options, other);
  const train = trainTokens === undefined ? head : takeExamples(head, 0, within(head.lengths, trainTokens));
  return opened(train, validation, exampleReader(tokenizer), data, `blocks of ${blockSize}`);
}

const numbersTo = (count: number): Uint32Array => Uint32Array.from({ length: count }, (_, i) => i);

/** Splits data into training and validation examples. Validation uses another file, or the last examples. */
async function divide<Tokenized>(
  whole: Dataset<Tokenized>,
  { validation: file, validationFraction, validationTokens }: OpenDataOptions,
  readOther: (file: string) => Promise<readonly Tokenized[]>,
): Promise<[Dataset<Tokenized>, readonly Tokenized[]]> {
  if (file !== undefined) return [whole, await readOther(file)];
  const held = Math.min(mostHeldBack, whole.length - Math.ceil(whole.length * (1 - validationFraction)));
  const tail = takeExamples(whole, whole.length - held, whole.length);
  const count = validationTokens === undefined ? held : within(tail.lengths, validationTokens);
  return [takeExamples(whole, 0, whole.length - held), await tail.read(numbersTo(count))];
}

/**
 * Returns the number of examples that start within the first `tokens` tokens of all examples. `lengths` contains the
 * number of tokens of each example.
 */
function within(lengths: ArrayLike<number>, tokens: number): number {
  let seen = 0;
  let count = 0;
  while (count < lengths.length && seen < tokens) seen += lengths[count++];
  return count;
}
