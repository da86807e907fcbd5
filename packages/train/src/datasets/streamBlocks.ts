import type { ByteSource } from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";
import { openFile } from "@lowrank/files";
import { crc32 } from "../data/crc32.ts";
import type { Dataset } from "../data/dataset.ts";
import { checkBlockSize } from "../data/packing/packExamples.ts";
import type { ExampleTokenizer, TokenizedExample } from "../data/tokens/tokenize.ts";
import { joinBytes, piecesOf } from "./byteLines.ts";
import { decodeUtf8 } from "./dataRecord.ts";
import { digestOfTokenizer, hexDigest } from "./indexRecords.ts";
import { lineOfBadText } from "./lineOfBadText.ts";

/** Options of `streamBlocks`. */
export interface StreamBlocksOptions {
  /** The folder in which to cache tokens. It is created if it does not exist. */
  cacheDir: string;
  /** Number of tokens in a block, including the token `bosTokenId`. */
  blockSize: number;
  /** Id of a token (usually BOS) to put before each block. Default: none. */
  bosTokenId?: number | null;
  /** Called from time to time while a text is tokenised, with the bytes read so far and in total. */
  onProgress?: (progress: { loaded: number; total: number }) => void;
}

/**
 * Opens text files on disk (Node only) as a dataset of token blocks that are read on demand. The texts are joined in
 * order. A block is `bosTokenId`, if given, and the next tokens. Each text is tokenised once, about a megabyte at a
 * time, into a file in `cacheDir`. The file gets its final name when it is complete. It is reused while the text's size
 * and modification time are unchanged. A text is split at line breaks to be tokenised. A tokenizer that merges or adds
 * white space may therefore produce other tokens there than for the whole text.
 */
export async function streamBlocks(
  paths: readonly string[],
  tokenizer: ExampleTokenizer,
  options: StreamBlocksOptions,
): Promise<Dataset<TokenizedExample>> {
  const keys = { cacheDir: true, blockSize: true, bosTokenId: true, onProgress: true } as const;
  checkOptions("streamBlocks", options, keys);
  const { blockSize, bosTokenId = null } = options;
  const start = bosTokenId === null ? [] : [bosTokenId];
  checkBlockSize(blockSize, start.length + 1);
  const step = blockSize - start.length;
  const stores: TokenFile[] = [];
  for (const path of paths) stores.push(await tokenFile(path, tokenizer, options));
  const total = stores.reduce((sum, { count }) => sum + count, 0);
  const length = Math.ceil(total / step);
  const lengths = new Uint32Array(length).fill(blockSize);
  if (length > 0) lengths[length - 1] = start.length + total - (length - 1) * step;
  return {
    length,
    lengths,
    digest: hexDigest(JSON.stringify([stores.map(({ checksum }) => checksum), blockSize, bosTokenId])),
    read: async (numbers) => {
      const found: TokenizedExample[] = [];
      for (const i of Array.from(numbers)) {
        const inputIds = [...start, ...(await tokensOf(stores, i * step, Math.min(total, (i + 1) * step)))];
        found.push({ inputIds, labels: [...inputIds] });
      }
      return found;
    },
  };
}

/** The cached tokens of one text, in a file on disk. */
interface TokenFile {
  readonly source: ByteSource;
  readonly count: number;
  readonly checksum: number;
}

/**
 * Reads the tokens from index `start` up to but excluding `end`. Indices count through all token files, one file after
 * the other.
 */
async function tokensOf(files: readonly TokenFile[], start: number, end: number): Promise<number[]> {
  const ids: number[] = [];
  let before = 0;
  for (const { source, count } of files) {
    const [from, to] = [Math.max(start - before, 0), Math.min(end - before, count)];
    if (from < to) ids.push(...numbersIn(await source.read(4 * from, 4 * (to - from))));
    before += count;
  }
  return ids;
}

const numbersIn = (bytes: Uint8Array): Uint32Array => new Uint32Array(bytes.slice().buffer);

/**
 * Opens the token file of a text. If the file does not exist, tokenises the text first. The last four bytes of the file
 * are a checksum of the token ids.
 */
async function tokenFile(path: string, tokenizer: ExampleTokenizer, options: StreamBlocksOptions): Promise<TokenFile> {
  const find = globalThis.process?.getBuiltinModule;
  if (!find) throw new Error("streamBlocks reads from disk, which needs Node; in a browser use loadDataset and blocks");
  const [fs, { basename, join, resolve }] = [find("node:fs/promises"), find("node:path")];
  const { size, mtimeMs } = await fs.stat(path);
  const key = hexDigest(JSON.stringify([resolve(path), size, mtimeMs, digestOfTokenizer(tokenizer)]));
  const file = join(options.cacheDir, `${basename(path)}-${key}.tokens`);
  if (!(await fs.stat(file).catch(() => null))) {
    await fs.mkdir(options.cacheDir, { recursive: true });
    const { removeLeftovers, temporaryName, writingId } = await import("@lowrank/files/internal/disk");
    await removeLeftovers(options.cacheDir, { of: basename(file) });
    const part = join(options.cacheDir, temporaryName(basename(file), writingId(), "part"));
    const handle = await fs.open(part, "w");
    try {
      let checksum = 0;
      for await (const ids of tokenPieces(path, tokenizer, options.onProgress)) {
        checksum = crc32(ids, checksum);
        await handle.write(ids);
      }
      await handle.write(new Uint8Array(Uint32Array.of(checksum).buffer));
      await handle.sync();
      await handle.close();
      await fs.rename(part, file);
    } catch (error) {
      await handle.close();
      await fs.rm(part, { force: true });
      throw error;
    }
  }
  const source = await openFile(file);
  const [checksum] = numbersIn(await source.read(source.size - 4, 4));
  return { source, count: source.size / 4 - 1, checksum };
}

/** Tokenises a text in chunks and yields the token ids as bytes. */
async function* tokenPieces(
  path: string,
  tokenizer: ExampleTokenizer,
  onProgress: StreamBlocksOptions["onProgress"],
): AsyncGenerator<Uint8Array> {
  const source = await openFile(path);
  let lines = 0;
  let loaded = 0;
  for await (const piece of wholeLines(piecesOf(source))) {
    const text = decode(piece, () => `${path}:${lines + lineOfBadText(piece)}`);
    const ids = tokenizer.encode(loaded === 0 ? text.replace(/^\uFEFF/, "") : text, { addSpecialTokens: false });
    yield new Uint8Array(Uint32Array.from(ids).buffer);
    loaded += piece.length;
    onProgress?.({ loaded, total: source.size });
    for (let at = piece.indexOf(10); at >= 0; at = piece.indexOf(10, at + 1)) lines++;
  }
}

/**
 * Regroups a file's chunks so that each chunk ends with a line break. A last chunk without a line break is also
 * yielded.
 */
async function* wholeLines(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let held: Uint8Array[] = [];
  for await (const piece of pieces) {
    const end = piece.lastIndexOf(10) + 1;
    if (end === 0) {
      held.push(piece);
      continue;
    }
    yield joinBytes([...held, piece.subarray(0, end)]);
    held = end < piece.length ? [piece.subarray(end)] : [];
  }
  if (held.length > 0) yield joinBytes(held);
}

function decode(bytes: Uint8Array, where: () => string): string {
  try {
    return decodeUtf8(bytes);
  } catch (error) {
    throw new Error(`${where()}: ${(error as Error).message}`, { cause: error });
  }
}
