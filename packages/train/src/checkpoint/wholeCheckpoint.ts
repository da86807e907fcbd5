import { type ByteSource, bytesSource, yieldIfDue } from "@lowrank/core";
import { filesIn, type ModelFiles, openFiles } from "@lowrank/files";
import type { OnWarning } from "@lowrank/peft";
import { printWarning } from "@lowrank/peft/internal";
import { crc32 } from "../data/crc32.ts";

/**
 * The file that lists all other files of a checkpoint. It is written last, so its presence shows that the checkpoint
 * was complete.
 */
export const stateFile = "trainer_state.json";

/** Size and CRC-32 of each file in a checkpoint, except the state file, by file name. */
export type FileList = Readonly<Record<string, { readonly bytes: number; readonly crc32: number }>>;

/** Computes size and CRC-32 of a checkpoint's files before they are written. */
export async function listFiles(contents: ReadonlyMap<string, Uint8Array | string>): Promise<FileList> {
  const list: Record<string, { bytes: number; crc32: number }> = {};
  for (const [name, content] of contents) {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    list[name] = { bytes: bytes.length, crc32: await checksum(bytesSource(bytes)) };
  }
  return list;
}

/** Computes the CRC-32 of a file. Yields to the event loop between chunks. */
async function checksum(source: ByteSource): Promise<number> {
  const length = 1 << 20;
  let sum = 0;
  for (let at = 0; at < source.size; at += length) {
    sum = crc32(await source.read(at, Math.min(length, source.size - at)), sum);
    await yieldIfDue();
  }
  return sum;
}

/** Parses the list of files in a state file. Returns undefined if the text is truncated or lacks the list. */
function listOf(text: string): FileList | undefined {
  try {
    return (JSON.parse(text) as { files?: FileList } | null)?.files;
  } catch {
    return undefined;
  }
}

/**
 * Returns what is wrong with an incomplete checkpoint, for example because the process ended while writing it. Null if
 * it is complete.
 */
async function damageOf(files: ModelFiles): Promise<string | null> {
  if (!(await files.has(stateFile))) return `${stateFile} is missing`;
  const list = listOf(await files.readText(stateFile));
  if (!list) return `${stateFile} is no list of its files`;
  for (const [name, file] of Object.entries(list)) {
    const { bytes, crc32: sum } = Object(file) as FileList[string];
    if (!Number.isSafeInteger(bytes)) return `${stateFile} lacks the length of ${name} is`;
    if (!(await files.has(name))) return `${name} is missing`;
    const source = await files.open(name);
    if (source.size !== bytes) return `${name} has ${source.size} bytes instead of ${bytes}`;
    if ((await checksum(source)) !== sum) return `${name} has other bytes than those written with ${stateFile}`;
  }
  return null;
}

/** Returns true if all files of a checkpoint exist and have the sizes and checksums in its list. */
export async function isWholeCheckpoint(place: string | URL | ModelFiles): Promise<boolean> {
  return (await damageOf(await openFiles(place))) === null;
}

/**
 * Returns the names of the checkpoint folders among `names`, newest first. A name such as "checkpoint-8.<id>.part" is a
 * folder that was not yet renamed. It comes before "checkpoint-8".
 */
function checkpointNames(names: readonly string[]): string[] {
  const found = names.flatMap((name) => {
    const [, step, part] = /^checkpoint-(\d+)(\.[0-9a-z-]+\.part)?\/$/.exec(name) ?? [];
    return step === undefined ? [] : [{ name: name.slice(0, -1), step: Number(step), first: part !== undefined }];
  });
  return found.sort((a, b) => b.step - a.step || Number(b.first) - Number(a.first)).map(({ name }) => name);
}

/**
 * Returns the name of the newest complete checkpoint in a folder, such as "checkpoint-8", or null if there is none.
 * Skips newer incomplete checkpoints, each with a warning of code `incomplete-checkpoint`.
 */
export async function getLastCheckpoint(
  place: string | URL | ModelFiles,
  onWarning: OnWarning = printWarning,
): Promise<string | null> {
  const files = await openFiles(place);
  if (!files.list)
    throw new Error(
      `${files.label}: the folders in it cannot be listed; give the address of one checkpoint: .../checkpoint-8`,
    );
  for (const name of checkpointNames(await files.list())) {
    const damage = await damageOf(filesIn(files, name));
    if (damage === null) return name;
    const message = `${files.label}: ${name} is skipped, since it is not whole: ${damage}; delete it, or let the training write it again`;
    onWarning({ code: "incomplete-checkpoint", message });
  }
  return null;
}

/**
 * Opens the given checkpoint or, if given a folder of checkpoints, the newest complete one. Throws if there is none, or
 * if the given checkpoint is incomplete.
 */
export async function openCheckpoint(place: string | URL | ModelFiles, onWarning?: OnWarning): Promise<ModelFiles> {
  const files = await openFiles(place);
  if (!(await files.has(stateFile)) && files.list) {
    const last = await getLastCheckpoint(files, onWarning);
    if (last !== null) return filesIn(files, last);
  }
  const damage = await damageOf(files);
  if (damage === null) return files;
  throw new Error(`${files.label} is not a complete checkpoint and contains none: ${damage}; start the training again`);
}
