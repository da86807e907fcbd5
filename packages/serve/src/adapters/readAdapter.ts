import { ServingError } from "../api/api.ts";
import { type AdapterFile, type AdapterPlace, configName, unavailable } from "../storage/adapterPlace.ts";
import { sha256 } from "../storage/sha256.ts";
import { noAdapterIn } from "../storage/storeErrors.ts";

/** The name of the weights that PEFT writes. */
const weightsName = "adapter_model.safetensors";

/** A configuration that was read. */
export interface KnownConfig {
  readonly text: string;
  /** The hash of the file. */
  readonly hash: string;
}

/** The two files of an adapter, as they stand in a place. */
export interface AdapterFolder {
  readonly path: string;
  readonly config: AdapterFile;
  readonly weights: AdapterFile;
  /** Changes when one of them does. */
  readonly state: string;
  /** The content of `config`, where that was read before and need not be again. */
  readonly known?: KnownConfig;
}

/** The content of an adapter's two files, all of one moment. */
export interface AdapterContent {
  /** The hash of both. */
  readonly version: string;
  readonly config: string;
  readonly configHash: string;
  readonly weights: Uint8Array<ArrayBuffer>;
  /** Both files by name. */
  readonly files: ReadonlyMap<string, Uint8Array | string>;
  readonly folder: AdapterFolder;
}

/** The most bytes of a configuration. */
const maxConfigBytes = 1 << 20;

/** Attempts at files that change while they are read. */
const attempts = 3;

/** Finds an adapter's files. Throws ServingError `not_found` and `adapter_refused`. */
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
    throw refused(`${path} of the store holds ${namesOf(files)}; ${fix}`);
  }
  return { path, config, weights, state: `${config.tag} ${weights.name} ${weights.tag}` };
}

/**
 * Reads an adapter's files and names their version. `found` is what `findAdapter` gave before: the
 * folder is looked at again if that has changed. A configuration that it knows is not read: it is
 * that of the moment of the look, and so are the weights, which have not changed since. Throws
 * ServingError `adapter_refused` for files of more than `maxBytes`, and `unavailable` for files
 * that keep changing meanwhile.
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
 * Frees the memory of an adapter's weights. Garbage collectors come late for much memory that small
 * objects hold, and then stop all else for long. Bytes that are a part of a buffer are left alone.
 */
export function freeWeights({ weights }: AdapterContent): void {
  if (weights.byteLength === weights.buffer.byteLength) weights.buffer.transfer(0);
}

/** True for a content whose weights were freed. */
export function isFreed({ weights }: AdapterContent): boolean {
  return weights.buffer.detached;
}

/**
 * Returns the state of a folder, which changes with any of its files; null where the place does not
 * answer.
 */
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
    throw refused(`${where}: ${configName} has ${config.size} bytes; at most ${maxConfigBytes} are read`);
  }
  if (weights.size > maxBytes) {
    const fix = "give maxAdapterBytes more, or train a lower rank";
    throw refused(`${where}: ${weights.name} has ${weights.size} bytes, and maxAdapterBytes is ${maxBytes}; ${fix}`);
  }
}

/**
 * Returns the version of an adapter: what `sha256sum adapter_config.json adapter_model.safetensors
 * | sha256sum` prints in its folder.
 */
async function versionOf(configHash: string, name: string, weights: Uint8Array<ArrayBuffer>): Promise<string> {
  return sha256(`${configHash}  ${configName}\n${await sha256(weights)}  ${name}\n`);
}

async function readConfig(bytes: Uint8Array<ArrayBuffer>): Promise<KnownConfig> {
  return { text: new TextDecoder().decode(bytes), hash: await sha256(bytes) };
}

/** Returns the error of an adapter that is not served. */
export function refused(message: string): ServingError {
  return new ServingError("adapter_refused", message, "lora_path");
}

function namesOf(files: readonly AdapterFile[]): string {
  return (
    files
      .map(({ name }) => name)
      .sort()
      .join(", ") || "nothing"
  );
}
