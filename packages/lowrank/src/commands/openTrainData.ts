import { stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Tokenizer } from "@lowrank/models";
import {
  concatenateDatasets,
  type Dataset,
  type Examples,
  packDataset,
  streamDataset,
  type TokenizedExample,
  takeExamples,
} from "@lowrank/train";
import { loadingProgress } from "./loadingProgress.ts";
import { countTokens, type DataOptions, holdsRecords, readTrainData, tellSkipped } from "./trainData.ts";

/** Options of data that may be larger than memory. */
export interface OpenDataOptions extends DataOptions {
  /** Reads examples from disk when they are wanted. Default: where the files are large. */
  stream?: boolean;
  /** The folder for indices. */
  dataCache?: string;
}

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
  const wanted = options.stream ?? (await bytesOf(options.data)) > largeBytes;
  const others = options.data.filter((path) => !holdsRecords(path) || /^\w+:\/\//.test(path));
  if (wanted && others.length === 0) return streamData(tokenizer, options);
  if (options.stream) throw new Error(`--stream is for files of records on disk, and not ${others.join(", ")}`);
  const data = await readTrainData(tokenizer, options);
  return { ...data, first: data.train };
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
  const { columns, onBadRecord, pack = false, blockSize, trainTokens, validationTokens } = options;
  const cacheDir = options.dataCache ?? usualCache();
  const counting = pack || trainTokens !== undefined || validationTokens !== undefined;
  const progress = loadingProgress(process.stderr);
  const parts: Dataset<TokenizedExample>[] = [];
  let skipped = 0;
  const told: string[] = [];
  for (const path of options.data) {
    const onProgress = (done: { loaded: number; total: number }) => progress.onProgress({ ...done, name: path });
    const settings = { columns, onBadRecord, cacheDir, countTokens: counting, onProgress };
    const part = await streamDataset(path, tokenizer, settings);
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
  if (train.length === 0) throw new Error(`${options.data.join(", ")}: nothing is left to train on; give more data`);
  const first = await train.read(numbersTo(Math.min(train.length, mostFirst)));
  const unit = pack ? `blocks of ${blockSize}` : "examples";
  const amount = `${train.length.toLocaleString("en-US")} ${unit} to train on, read from disk when they are wanted`;
  const held = `${countTokens(validation)} tokens in ${validation.length} to validate`;
  return { train, first, validation, description: `${amount}, ${held}` };
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
