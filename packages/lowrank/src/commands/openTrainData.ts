import { stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Tokenizer } from "@lowrank/models";
import {
  concatenateDatasets,
  type Dataset,
  type Examples,
  packDataset,
  streamBlocks,
  streamDataset,
  type TokenizedExample,
  takeExamples,
} from "@lowrank/train";
import { indexAside } from "./indexAside.ts";
import { loadingProgress } from "./loadingProgress.ts";
import {
  bosOf,
  checkKinds,
  countTokens,
  type DataOptions,
  holdsRecords,
  readTrainData,
  tellSkipped,
} from "./trainData.ts";

/** Options of data that may be larger than memory. */
export interface OpenDataOptions extends DataOptions {
  /** Reads examples from disk when they are wanted. Default: where the files are large. */
  stream?: boolean;
  /** The folder for indices. */
  dataCache?: string;
}

/** Options that say which records are read. */
export type IndexedOptions = Omit<OpenDataOptions, "blockSize" | "validationFraction">;

/** The data of a run, with a sentence about where they come from. */
export interface OpenData {
  readonly train: Examples<TokenizedExample>;
  /** The first ones to train on, in memory: all of them where the data are. */
  readonly first: readonly TokenizedExample[];
  readonly validation: readonly TokenizedExample[];
  readonly description: string;
}

/** Files of more bytes are read when their examples are wanted. */
const largeBytes = 64e6;

/** The most examples of a large file that are held back, and that are looked at before a run. */
const [mostHeldBack, mostFirst] = [1000, 256];

/** Reads the data of a run into memory, or opens them where they are large. */
export async function openTrainData(tokenizer: Tokenizer, options: OpenDataOptions): Promise<OpenData> {
  if (await isStreamed(options)) return streamData(tokenizer, options);
  const data = await readTrainData(tokenizer, options);
  return { ...data, first: data.train };
}

/**
 * Builds the indices of large data before a model is loaded, since that takes memory for a while.
 * Those for which tokens are counted need the tokenizer, and come later.
 */
export async function indexTrainData(options: IndexedOptions): Promise<void> {
  if (!(await isStreamed(options)) || areTexts(options.data) || countsTokens(options)) return;
  const progress = loadingProgress(process.stderr);
  for (const path of options.data) await indexAside(path, streamSettings(path, options, progress));
  progress.end();
}

/** True for data that are read from disk when they are wanted. */
async function isStreamed({ stream, data }: IndexedOptions): Promise<boolean> {
  const remote = data.filter((path) => /^\w+:\/\//.test(path));
  if (stream && remote.length > 0) throw new Error(`--stream is for files on disk, and not ${remote.join(", ")}`);
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

/** The folder for indices where none is named. */
function usualCache(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "lowrank", "datasets");
}

async function streamData(tokenizer: Tokenizer, options: OpenDataOptions): Promise<OpenData> {
  const { pack = false, blockSize, trainTokens } = options;
  const progress = loadingProgress(process.stderr);
  if (areTexts(options.data)) return streamTexts(tokenizer, options, progress);
  checkKinds(options.data);
  const parts: Dataset<TokenizedExample>[] = [];
  let skipped = 0;
  const told: string[] = [];
  for (const path of options.data) {
    const settings = streamSettings(path, options, progress);
    const part = await streamDataset(path, tokenizer, { ...settings, countTokens: countsTokens(options) });
    parts.push(part);
    skipped += part.skipped;
    told.push(...part.told);
  }
  progress.end();
  tellSkipped(told, skipped);
  const whole = concatenateDatasets(parts);
  const [head, validation] = await divide(tokenizer, whole, options);
  const limited = trainTokens === undefined ? head : takeExamples(head, 0, within(head.lengths, trainTokens));
  const train = pack ? packDataset(limited, blockSize) : limited;
  return opened(train, validation, options.data, pack ? `blocks of ${blockSize}` : "examples");
}

async function opened(
  train: Dataset<TokenizedExample>,
  validation: readonly TokenizedExample[],
  paths: readonly string[],
  unit: string,
): Promise<OpenData> {
  if (train.length === 0) throw new Error(`${paths.join(", ")}: nothing is left to train on; give more data`);
  const first = await train.read(numbersTo(Math.min(train.length, mostFirst)));
  const amount = `${train.length.toLocaleString("en-US")} ${unit} to train on, read from disk when they are wanted`;
  const held = `${countTokens(validation)} tokens in ${validation.length} to validate`;
  return { train, first, validation, description: `${amount}, ${held}` };
}

/** Opens texts as blocks; the last ones validate. */
async function streamTexts(
  tokenizer: Tokenizer,
  options: OpenDataOptions,
  progress: ReturnType<typeof loadingProgress>,
): Promise<OpenData> {
  const { columns, data, blockSize, trainTokens } = options;
  if (columns) throw new Error(`--columns is for files of records, and --data is ${data.join(", ")}; leave it out`);
  const { cacheDir, onProgress } = streamSettings(data.join(", "), options, progress);
  const bosTokenId = bosOf(tokenizer);
  const whole = await streamBlocks(data, tokenizer, { cacheDir, blockSize, bosTokenId, onProgress });
  progress.end();
  const [head, validation] = await divide(tokenizer, whole, options);
  const train = trainTokens === undefined ? head : takeExamples(head, 0, within(head.lengths, trainTokens));
  return opened(train, validation, data, `blocks of ${blockSize}`);
}

const numbersTo = (count: number): Uint32Array => Uint32Array.from({ length: count }, (_, i) => i);

/** The examples to train on, and those to validate with: of another file, or the last ones. */
async function divide(
  tokenizer: Tokenizer,
  whole: Dataset<TokenizedExample>,
  { validation: file, validationFraction, validationTokens, ...options }: OpenDataOptions,
): Promise<[Dataset<TokenizedExample>, readonly TokenizedExample[]]> {
  if (file !== undefined) {
    const own = { ...options, data: [file], validationFraction: 0, trainTokens: validationTokens };
    return [whole, (await readTrainData(tokenizer, own)).train];
  }
  const held = Math.min(mostHeldBack, whole.length - Math.ceil(whole.length * (1 - validationFraction)));
  const tail = takeExamples(whole, whole.length - held, whole.length);
  const count = validationTokens === undefined ? held : within(tail.lengths, validationTokens);
  return [takeExamples(whole, 0, whole.length - held), await tail.read(numbersTo(count))];
}

/** The number of examples that start within the first `tokens`. */
function within(lengths: ArrayLike<number>, tokens: number): number {
  let seen = 0;
  let count = 0;
  while (count < lengths.length && seen < tokens) seen += lengths[count++];
  return count;
}
