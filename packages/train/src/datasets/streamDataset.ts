import type { ByteSource } from "@lowrank/core";
import { checkOptions, type OptionKeys } from "@lowrank/core/internal";
import { openFile } from "@lowrank/files";
import { writeFile } from "@lowrank/files/internal";
import { crc32 } from "../data/crc32.ts";
import type { Dataset } from "../data/dataset.ts";
import type { Example } from "../data/tokens/example.ts";
import type { ExampleTokenizer, TokenizedExample } from "../data/tokens/tokenize.ts";
import { piecesOf } from "./byteLines.ts";
import {
  digestOfTokenizer,
  encodeIndex,
  hexDigest,
  type IndexKey,
  indexRecords,
  type OpenIndex,
  openIndexFile,
  readIndexed,
} from "./indexRecords.ts";
import type { DatasetFormat, RecordOptions } from "./readDataset.ts";
import { exampleForm, exampleReader, type RecordForm, type RecordReader } from "./recordReader.ts";
import { openRecords, type RecordFile } from "./streamedFormats.ts";

/** Options of `indexDataset`. */
export interface IndexDatasetOptions<Parsed = Example> extends Pick<RecordOptions, "columns" | "onBadRecord"> {
  /** The folder in which to store the index. It is created if it does not exist. */
  cacheDir: string;
  /** The file's format. Default: by the extension (.jsonl, .ndjson, .json, .csv, .tsv, .parquet). */
  format?: Exclude<DatasetFormat, "text"> | "parquet";
  /**
   * The kind of the records. Default: examples for a language model, that is, texts, prompts with completions, and
   * conversations.
   */
  form?: RecordForm<Parsed>;
  /** Called from time to time while the index is built, with the bytes read so far and in total. */
  onProgress?: (progress: { loaded: number; total: number }) => void;
}

/** Options of `streamDataset`. */
export interface StreamDatasetOptions<Parsed = Example, Tokenized = TokenizedExample>
  extends Omit<IndexDatasetOptions<Parsed>, "form"> {
  /** Validates records and tokenizes them for a task. Default: for a language model. */
  reader?: RecordReader<Parsed, Tokenized>;
  /**
   * If true, tokenises all examples while the index is built, which is slow but validates every example. `lengths` are
   * then in tokens, as packing requires. Default: false; `lengths` are then in bytes.
   */
  countTokens?: boolean;
}

/** Examples that are read on demand from a file, which may be larger than memory. */
export interface StreamedDataset<Tokenized = TokenizedExample> extends Dataset<Tokenized> {
  /** The number of skipped records. */
  readonly skipped: number;
  /** The error messages for the first few skipped records. */
  readonly told: readonly string[];
}

const fileKeys: OptionKeys<Omit<IndexDatasetOptions, "form">> = {
  ...({ columns: true, onBadRecord: true, cacheDir: true, format: true, onProgress: true } as const),
};
const indexKeys: OptionKeys<IndexDatasetOptions> = { ...fileKeys, form: true };
const streamKeys: OptionKeys<StreamDatasetOptions> = { ...fileKeys, reader: true, countTokens: true };

/**
 * Opens a data file on disk (Node only) whose examples are read and tokenised on demand. First reads the whole file
 * once to build an index of the examples' positions. Throws for an invalid record, or skips it, depending on
 * `onBadRecord`. The index is stored in `cacheDir`. It is built again if the file's size changes. If only the
 * modification time changes, the file's checksum decides whether it is built again.
 */
export function streamDataset(
  path: string,
  tokenizer: ExampleTokenizer,
  options: StreamDatasetOptions,
): Promise<StreamedDataset>;
export function streamDataset<Parsed, Tokenized>(
  path: string,
  tokenizer: ExampleTokenizer,
  options: StreamDatasetOptions<Parsed, Tokenized> & { reader: RecordReader<Parsed, Tokenized> },
): Promise<StreamedDataset<Tokenized>>;
export async function streamDataset(
  path: string,
  tokenizer: ExampleTokenizer,
  options: StreamDatasetOptions<unknown, unknown>,
): Promise<StreamedDataset<unknown>> {
  checkOptions<object>("streamDataset", options, streamKeys);
  const {
    columns,
    countTokens,
    reader = exampleReader(tokenizer) as RecordReader<unknown, unknown>,
    ...rest
  } = options;
  const counting = countTokens ? { reader, digest: digestOfTokenizer(tokenizer) } : null;
  const { file, index, settings } = await openIndexed(path, { ...rest, columns, form: reader }, counting);
  const { source, name, parse } = file;
  const { count, sizes, checksum, skipped, told } = index;
  return {
    length: count,
    lengths: sizes,
    digest: hexDigest(`${checksum} ${settings} ${digestOfTokenizer(tokenizer)}`),
    skipped,
    told,
    read: async (numbers) => {
      const examples: unknown[] = [];
      for (const i of Array.from(numbers)) {
        const record = await readIndexed(source, name, await index.place(i), parse, { columns, form: reader });
        examples.push(await reader.tokenize(record));
      }
      return examples;
    },
  };
}

/**
 * Builds the index that `streamDataset` needs, without a tokenizer. Call it before you load a model, while memory is
 * free.
 */
export async function indexDataset<Parsed = Example>(
  path: string,
  options: IndexDatasetOptions<Parsed>,
): Promise<void> {
  checkOptions<object>("indexDataset", options, indexKeys);
  const { form = exampleForm, ...rest } = options;
  await openIndexed(path, { ...rest, form: form as RecordForm<unknown> }, null);
}

/** The reader that counts an example's tokens for an index, and a digest of its tokenizer. */
interface Counting {
  readonly reader: RecordReader<unknown, unknown>;
  /** A digest that identifies the tokenizer. */
  readonly digest: string;
}

/**
 * Opens a data file and its index. Builds the index if it is missing or outdated. The index contains sizes in tokens if
 * `counting` is given, otherwise in bytes.
 */
async function openIndexed(
  path: string,
  options: IndexDatasetOptions<unknown> & { form: RecordForm<unknown> },
  counting: Counting | null,
): Promise<{ file: RecordFile; index: OpenIndex; settings: string }> {
  const { columns, onBadRecord = "error", cacheDir, form, onProgress } = options;
  const file = await openRecords(path, options as IndexDatasetOptions, form);
  const { source, name, format, records } = file;
  const [{ basename, join, resolve }, { stat }] = node();
  const { size, mtimeMs } = await stat(path);
  const tokens = counting?.digest ?? null;
  // The default form is not named here, so that indices of older versions stay valid.
  const named = form.name === exampleForm.name ? {} : { form: form.name };
  const settings = JSON.stringify({ format, columns, onBadRecord, tokens, ...named });
  const key: IndexKey = { path: resolve(path), size, mtimeMs, settings };
  const place = join(cacheDir, `${basename(path)}-${hexDigest(`${key.path} ${settings}`)}.index`);
  let index = await openIndex(place, key, source);
  if (!index) {
    const measure =
      counting && (async (record: unknown) => counting.reader.tokens(await counting.reader.tokenize(record)));
    const wanted = { columns, onBadRecord, form, ...(measure && { measure }) };
    const built = await indexRecords(records, counted(piecesOf(source), size, onProgress), wanted);
    if (built.offsets.length === 0) {
      throw new Error(`${name} holds no example${built.skipped > 0 ? "; all records are invalid" : ""}`);
    }
    await writeFile(place, encodeIndex(key, built));
    index = await openIndex(place, key, source);
  }
  if (index) return { file, index, settings };
  throw new Error(`${place} changed right after it was written, perhaps by another process; give another cacheDir`);
}

/** Opens an index. Returns null if it is missing, or was built for another file or other settings. */
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
  if (!find) throw new Error("streamDataset reads from disk, which needs Node; in a browser use loadDataset");
  return [find("node:path"), find("node:fs/promises")];
}
