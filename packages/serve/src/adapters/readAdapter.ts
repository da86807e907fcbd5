import { type AdapterFile, type AdapterPlace, configName, unavailable } from "../storage/adapterPlace.ts";
import { sha256 } from "../storage/sha256.ts";
import { adapterRefused, noAdapterIn } from "../storage/storeErrors.ts";

/** File name of the weights that PEFT writes. */
const weightsName = "adapter_model.safetensors";

/** Text of an adapter's configuration that was read before, with its hash. */
export interface KnownConfig {
  readonly text: string;
  /** Hash of the configuration file. */
  readonly hash: string;
}

/** The two files of an adapter in a storage. */
export interface AdapterFolder {
  readonly path: string;
  readonly config: AdapterFile;
  readonly weights: AdapterFile;
  /** Fingerprint that changes when one of the two files changes. */
  readonly state: string;
  /** Content of `config`, if it was read before and is unchanged. */
  readonly known?: KnownConfig;
}

/** Content of an adapter's two files at one point in time. */
export interface AdapterContent {
  /** Hash of both files. */
  readonly version: string;
  readonly config: string;
  readonly configHash: string;
  readonly weights: Uint8Array<ArrayBuffer>;
  /** Both files by name. */
  readonly files: ReadonlyMap<string, Uint8Array | string>;
  readonly folder: AdapterFolder;
}

/** Maximum number of bytes of a configuration. */
const maxConfigBytes = 1 << 20;

/** Maximum number of attempts at reading files, in case they change while they are read. */
const attempts = 3;

/** Finds an adapter's files. Throws ServingError `not_found` or `adapter_refused`. */
export async function findAdapter(place: AdapterPlace, path: string): Promise<AdapterFolder> {
  const files = await place.files(path);
  const config = files?.find(({ name }) => name === configName);
  if (!files || !config) {
    const holds = files ? `, which holds ${namesOf(files)}` : "";
    throw noAdapterIn(path, holds);
  }
  const safetensors = files.filter(({ name }) => name.endsWith(".safetensors"));
  const weights = safetensors.find(({ name }) => name === weightsName) ?? safetensors[0];
  if (!weights || (weights.name !== weightsName && safetensors.length > 1)) {
    const fix = `expected ${weightsName}; weights of torch.save are not read: load them with PEFT and save them again`;
    throw adapterRefused(`${path} of the store holds ${namesOf(files)}; ${fix}`);
  }
  return { path, config, weights, state: `${config.tag} ${weights.name} ${weights.tag}` };
}

/**
 * Reads an adapter's files and computes their version. `found` is an earlier result of `findAdapter`. If the folder has
 * changed since then, it is listed again. A configuration in `found` is not read again while both files are unchanged.
 * Throws ServingError `adapter_refused` for weights of more than `maxBytes`, and `unavailable` for files that keep
 * changing.
 */
export async function readAdapter(
  place: AdapterPlace,
  path: string,
  maxBytes: number,
  found?: AdapterFolder,
): Promise<AdapterContent> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const folder = (attempt === 0 && found) || (await findAdapter(place, path));
    checkSize(folder, maxBytes);
    const { known } = folder;
    const read = await place.read(path, known ? [folder.weights] : [folder.config, folder.weights]);
    if (!read) continue;
    const weights = read.at(-1)!;
    const { text, hash } = known ?? (await readConfig(read[0]));
    return {
      version: await versionOf(hash, folder.weights.name, weights),
      ...{ folder, config: text, configHash: hash, weights },
      files: new Map<string, Uint8Array | string>([
        [configName, text],
        [folder.weights.name, weights],
      ]),
    };
  }
  throw unavailable(`${path} of the store changes while it is read; try again when it is written`, undefined, 1);
}

/**
 * Frees the memory of an adapter's weights at once. The garbage collector would free it later, and would then pause the
 * process for a long time. Does nothing for bytes that are part of a larger buffer.
 */
export function freeWeights({ weights }: AdapterContent): void {
  if (weights.byteLength === weights.buffer.byteLength) weights.buffer.transfer(0);
}

/** Returns true if the weights were freed. */
export function isFreed({ weights }: AdapterContent): boolean {
  return weights.buffer.detached;
}

/** Returns a fingerprint of a folder, which changes with any of its files; null if the storage does not answer. */
export async function folderState(place: AdapterPlace, path: string): Promise<string | null> {
  try {
    const files = await place.files(path);
    return files
      ? files
          .map(({ name, tag }) => `${name} ${tag}`)
          .sort()
          .join("\n")
      : "absent";
  } catch {
    return null;
  }
}

function checkSize({ path, config, weights }: AdapterFolder, maxBytes: number): void {
  const where = `${path} of the store`;
  if (config.size > maxConfigBytes) {
    throw adapterRefused(`${where}: ${configName} has ${config.size} bytes; at most ${maxConfigBytes} are read`);
  }
  if (weights.size > maxBytes) {
    const fix = "give maxAdapterBytes more, or train a lower rank";
    throw adapterRefused(
      `${where}: ${weights.name} has ${weights.size} bytes, and maxAdapterBytes is ${maxBytes}; ${fix}`,
    );
  }
}

/**
 * Returns the version of an adapter: the output of
 * `sha256sum adapter_config.json adapter_model.safetensors | sha256sum` in its folder.
 */
async function versionOf(configHash: string, name: string, weights: Uint8Array<ArrayBuffer>): Promise<string> {
  return sha256(`${configHash}  ${configName}\n${await sha256(weights)}  ${name}\n`);
}

async function readConfig(bytes: Uint8Array<ArrayBuffer>): Promise<KnownConfig> {
  return { text: new TextDecoder().decode(bytes), hash: await sha256(bytes) };
}

function namesOf(files: readonly AdapterFile[]): string {
  return (
    files
      .map(({ name }) => name)
      .sort()
      .join(", ") || "nothing"
  );
}
