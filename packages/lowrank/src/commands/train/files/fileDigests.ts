import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { parseHubAddress } from "@lowrank/files/internal";

/** Path, size and digest of a file. */
export interface FileDigest {
  /** Path as given to the command. */
  readonly path: string;
  readonly bytes: number;
  /** SHA-256 of the content in hexadecimal. */
  readonly sha256: string;
}

/** Matches the names of a model's files that affect its output. */
const ofModel =
  /\.(safetensors|gguf)$|^(config|generation_config|tokenizer|tokenizer_config)\.json$|^chat_template\.jinja$/;

async function digest(path: string): Promise<FileDigest> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return { path, bytes: (await stat(path)).size, sha256: hash.digest("hex") };
}

/** Returns the digests of local files. Skips files given as an address (https://..., hf://...). */
export async function digestFiles(paths: readonly string[]): Promise<FileDigest[]> {
  const digests: FileDigest[] = [];
  for (const path of paths.filter((path) => !/^\w+:\/\//.test(path))) digests.push(await digest(path));
  return digests;
}

/**
 * Returns the digests of the files in a model's folder, or of its GGUF file. Returns an empty list for a model at an
 * address, since the address and its revision identify the files.
 */
export async function digestModel(path: string): Promise<FileDigest[]> {
  if (parseHubAddress(path) || /^\w+:\/\//.test(path)) return [];
  if (!(await stat(path)).isDirectory()) return digestFiles([path]);
  const names = (await readdir(path)).filter((name) => ofModel.test(name)).sort();
  return digestFiles(names.map((name) => join(path, name)));
}
