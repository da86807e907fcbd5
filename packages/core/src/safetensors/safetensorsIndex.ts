import { findDuplicateKey } from "./findDuplicateKey.ts";
import type { SafetensorsData, SafetensorsFile, SafetensorsInfo, SafetensorsParts } from "./openSafetensors.ts";
import type { SafetensorsDType } from "./safetensorsDType.ts";
import { quoteJson, SafetensorsError } from "./safetensorsError.ts";

/**
 * The name of the file that holds each tensor of a sharded model, by tensor name, as in `model.safetensors.index.json`.
 */
export type SafetensorsIndex = ReadonlyMap<string, string>;

/**
 * Parses the text of a `*.safetensors.index.json`. Throws `SafetensorsError` if it is malformed, or if it names a file
 * that is not a plain `*.safetensors` name, since such an index could refer to files outside its folder.
 */
export function parseSafetensorsIndex(json: string, label = "safetensors index"): SafetensorsIndex {
  let index: { weight_map?: unknown } | null;
  let duplicate: string | undefined;
  try {
    index = JSON.parse(json);
    duplicate = findDuplicateKey(json);
  } catch (error) {
    throw new SafetensorsError(`${label}: it is not valid JSON (${(error as Error).message}); download it again`, {
      cause: error,
    });
  }
  const map = typeof index === "object" ? index?.weight_map : undefined;
  if (typeof map !== "object" || map === null || Array.isArray(map)) {
    throw new SafetensorsError(`${label}: it needs an object "weight_map" from tensor names to file names`);
  }
  if (duplicate !== undefined) {
    throw new SafetensorsError(`${label}: it names the tensor "${duplicate}" twice; remove one entry`);
  }
  for (const [name, file] of Object.entries(map)) {
    // The name must not be a path, have a drive or scheme, or be "..", since it is joined to a folder or an address.
    if (typeof file !== "string" || !/^[^/\\:\0]+\.safetensors$/.test(file)) {
      throw new SafetensorsError(
        `${label}: tensor "${name}" is in ${quoteJson(file)}, which is not the plain name of a .safetensors file next to the index`,
      );
    }
  }
  return new Map(Object.entries(map as Record<string, string>));
}

class ShardedFiles implements SafetensorsFile {
  readonly label: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly #files: ReadonlyMap<string, SafetensorsFile>;

  constructor(label: string, files: ReadonlyMap<string, SafetensorsFile>) {
    this.label = label;
    this.#files = files;
    this.metadata = Object.assign({}, ...Array.from(new Set(files.values()), (file) => file.metadata));
  }

  names(): string[] {
    return [...this.#files.keys()];
  }

  has(name: string): boolean {
    return this.#files.has(name);
  }

  info(name: string): SafetensorsInfo {
    return this.#file(name).info(name);
  }

  async read(name: string): Promise<SafetensorsData> {
    return this.#file(name).read(name);
  }

  readParts(name: string, room: Uint8Array): SafetensorsParts {
    return this.#file(name).readParts(name, room);
  }

  async readStored(name: string): Promise<SafetensorsData<SafetensorsDType>> {
    return this.#file(name).readStored(name);
  }

  #file(name: string): SafetensorsFile {
    const file = this.#files.get(name);
    if (!file) throw new SafetensorsError(`${this.label}: the index names no tensor "${name}"`);
    return file;
  }
}

/**
 * Opens all files of a sharded model as if they were one file. `open` is called once for each file name. Only tensors
 * that the index lists are visible. Throws `SafetensorsError` if a file lacks one of them. The metadata of all files
 * are merged; if a key is repeated, the value from the last file is used.
 */
export async function openShardedSafetensors(
  index: SafetensorsIndex,
  open: (file: string) => Promise<SafetensorsFile>,
  label = "sharded safetensors",
): Promise<SafetensorsFile> {
  const names = [...new Set(index.values())];
  const shards = new Map(await Promise.all(names.map(async (file) => [file, await open(file)] as const)));
  const files = new Map<string, SafetensorsFile>();
  for (const [name, file] of index) {
    const shard = shards.get(file)!;
    if (!shard.has(name)) {
      throw new SafetensorsError(
        `${label}: ${file} does not hold the tensor "${name}" that the index places in it; download both again`,
      );
    }
    files.set(name, shard);
  }
  return new ShardedFiles(label, files);
}
