import { type ByteSource, checkOptions, type OptionKeys } from "@lowrank/core";
import { openFile, writeFile } from "@lowrank/files";
import { crc32 } from "../crc32.ts";
import { type ExampleTokenizer, type TokenizedExample, tokenizeExample } from "../tokenize.ts";
import type { Dataset } from "./dataset.ts";
import { digestOfTokenizer, hexDigest } from "./digests.ts";
import type { Example } from "./example.ts";
import { encodeIndex, type IndexKey, type OpenIndex, openIndexFile } from "./indexFile.ts";
import { indexRecords, readIndexed } from "./indexRecords.ts";
import { piecesOf } from "./piecesOf.ts";
import type { DatasetFormat, RecordOptions } from "./readDataset.ts";
import { openRecords, type RecordFile } from "./streamedFormats.ts";

/** Options of `streamDataset`. */
export interface StreamDatasetOptions extends Pick<RecordOptions, "columns" | "onBadRecord"> {
  /** The folder for the index, which is made where it is missing. */
  cacheDir: string;
  /** Default: by the name's ending (.jsonl, .ndjson, .json, .csv, .tsv, .parquet). */
  format?: Exclude<DatasetFormat, "text"> | "parquet";
  /**
   * Tokenises all examples for the index, which takes long, so that `lengths` are tokens, as
   * packing needs them, and that each example is known to be right. Default false: they are bytes.
   */
  countTokens?: boolean;
  /** Called now and then while the index is built, with the bytes read so far. */
  onProgress?: (progress: { loaded: number; total: number }) => void;
}

/** Examples in a file that may be larger than memory. */
export interface StreamedDataset extends Dataset<TokenizedExample> {
  /** The number of records that were skipped, and what is wrong with the first ones. */
  readonly skipped: number;
  readonly told: readonly string[];
}

const indexKeys: OptionKeys<Omit<StreamDatasetOptions, "countTokens">> = {
  ...({ columns: true, onBadRecord: true, cacheDir: true, format: true, onProgress: true } as const),
};
const streamKeys: OptionKeys<StreamDatasetOptions> = { ...indexKeys, countTokens: true };

/**
 * Opens a data file on disk (Node only) whose examples are read and tokenised when they are wanted.
 * The file is read once as a whole, for an index of the places of its examples, in which errors are
 * told as `loadDataset` tells them. The index stays in `cacheDir`, and is built anew where the file
 * is another: by its size and time, or its checksum where the time alone differs. It appears whole.
 */
export async function streamDataset(
  path: string,
  tokenizer: ExampleTokenizer,
  options: StreamDatasetOptions,
): Promise<StreamedDataset> {
  checkOptions("streamDataset", options, streamKeys);
  const { columns, countTokens } = options;
  const { file, index, settings } = await openIndexed(path, options, countTokens ? tokenizer : null);
  const { source, name, parse } = file;
  const { count, sizes, checksum, skipped, told } = index;
  return {
    length: count,
    lengths: sizes,
    digest: hexDigest(`${checksum} ${settings} ${digestOfTokenizer(tokenizer)}`),
    skipped,
    told,
    read: async (numbers) => {
      const examples: TokenizedExample[] = [];
      for (const i of Array.from(numbers)) {
        const example = await readIndexed(source, name, await index.place(i), parse, columns);
        examples.push(await tokenizeExample(tokenizer, example));
      }
      return examples;
    },
  };
}

/**
 * Builds the index of a data file that `streamDataset` would build, without a tokenizer: before a
 * model is loaded there is room for it.
 */
export async function indexDataset(path: string, options: Omit<StreamDatasetOptions, "countTokens">): Promise<void> {
  checkOptions("indexDataset", options, indexKeys);
  await openIndexed(path, options, null);
}

/** Opens a file and its index, and builds that where it is wanted; `counting` measures examples. */
async function openIndexed(
  path: string,
  options: Omit<StreamDatasetOptions, "countTokens">,
  counting: ExampleTokenizer | null,
): Promise<{ file: RecordFile; index: OpenIndex; settings: string }> {
  const { columns, onBadRecord = "error", cacheDir, onProgress } = options;
  const file = await openRecords(path, options);
  const { source, name, format, records } = file;
  const [{ basename, join, resolve }, { stat }] = node();
  const { size, mtimeMs } = await stat(path);
  const tokens = counting && digestOfTokenizer(counting);
  const settings = JSON.stringify({ format, columns, onBadRecord, tokens });
  const key: IndexKey = { path: resolve(path), size, mtimeMs, settings };
  const place = join(cacheDir, `${basename(path)}-${hexDigest(`${key.path} ${settings}`)}.index`);
  let index = await openIndex(place, key, source);
  if (!index) {
    const measure = async (example: Example) => {
      return (await tokenizeExample(counting as ExampleTokenizer, example)).inputIds.length;
    };
    const wanted = { columns, onBadRecord, check: checkChat, ...(counting && { measure }) };
    const built = await indexRecords(records, counted(piecesOf(source), size, onProgress), wanted);
    if (built.offsets.length === 0) {
      throw new Error(`${name} holds no example${built.skipped > 0 ? "; all of its records are bad" : ""}`);
    }
    await writeFile(place, encodeIndex(key, built));
    index = await openIndex(place, key, source);
  }
  if (index) return { file, index, settings };
  throw new Error(`${place} is not what was written there a moment ago; name another cacheDir`);
}

/** Opens an index; null where there is none, or where it is of another file. */
async function openIndex(place: string, key: IndexKey, source: ByteSource): Promise<OpenIndex | null> {
  const stored = await openFile(place).catch(() => null);
  const found = stored && (await openIndexFile(stored));
  if (!found || found.key.size !== key.size || found.key.settings !== key.settings || found.key.path !== key.path) {
    return null;
  }
  if (found.key.mtimeMs === key.mtimeMs) return found;
  let checksum = 0;
  for await (const piece of piecesOf(source)) checksum = crc32(piece, checksum);
  return checksum === found.checksum ? found : null;
}

/** Throws for a conversation in which nothing can be learned. */
function checkChat(example: Example): void {
  if (!("messages" in example) || example.messages.some(({ role }) => role === "assistant")) return;
  throw new Error("a conversation without an assistant turn has nothing to learn");
}

async function* counted(
  pieces: AsyncIterable<Uint8Array>,
  total: number,
  onProgress: StreamDatasetOptions["onProgress"],
): AsyncGenerator<Uint8Array> {
  let loaded = 0;
  for await (const piece of pieces) {
    yield piece;
    loaded += piece.length;
    onProgress?.({ loaded, total });
  }
}

function node(): [typeof import("node:path"), typeof import("node:fs/promises")] {
  const find = globalThis.process?.getBuiltinModule;
  if (!find) throw new Error("streamDataset reads from disk, which only Node can; in a page, loadDataset");
  return [find("node:path"), find("node:fs/promises")];
}
