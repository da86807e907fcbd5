import type { DirectoryHandle, FileHandle } from "../interface/directoryHandle.ts";
import type { FileContent } from "../interface/modelFiles.ts";

/** The ending of a file that is being written next to its place. */
export const partEnding = ".lowrank-part";

/** A file whose content stands whole beside its place. */
export interface PendingFile {
  readonly directory: DirectoryHandle;
  readonly name: string;
}

/**
 * Writes the content of a file. By `createWritable` it appears when it is whole. Without it,
 * Workers write in place.
 */
export async function writeHandle(handle: FileHandle, content: FileContent): Promise<void> {
  if (handle.createWritable) {
    const writable = await handle.createWritable();
    try {
      for await (const piece of piecesOf(content)) await writable.write(piece);
    } catch (error) {
      await writable.abort(error).catch(() => {});
      throw error;
    }
    return writable.close();
  }
  if (!handle.createSyncAccessHandle) {
    throw new Error("this browser writes files in Web Workers alone; run the engine in one, as lowrank/worker does");
  }
  const access = await handle.createSyncAccessHandle();
  try {
    access.truncate(0);
    let at = 0;
    for await (const piece of piecesOf(content)) {
      for (let done = 0; done < piece.length; ) done += access.write(piece.subarray(done), { at: at + done });
      at += piece.length;
    }
    access.flush();
  } finally {
    access.close();
  }
}

/**
 * Puts a file that was written beside its place there. Where files cannot be moved it is copied by
 * `createWritable`, which replaces an older one at once.
 */
export async function replaceFile({ directory, name }: PendingFile): Promise<void> {
  const part = await directory.getFileHandle(`${name}${partEnding}`);
  if (await moved(part, name)) return;
  const existed = await exists(directory, name);
  const handle = await directory.getFileHandle(name, { create: true });
  try {
    if (!handle.createWritable) {
      throw new Error("this browser can neither move files here nor replace them whole");
    }
    await writeHandle(handle, pieces(await part.getFile()));
  } catch (error) {
    if (!existed) await directory.removeEntry(name);
    throw error;
  }
  await directory.removeEntry(`${name}${partEnding}`);
}

/** Moves a file within its folder. Returns false where the browser or the folder has no moving. */
async function moved(handle: FileHandle, name: string): Promise<boolean> {
  if (!handle.move) return false;
  try {
    await handle.move(name);
    return true;
  } catch {
    // Files of the user's own folders are refused, with errors of several names.
    return false;
  }
}

async function exists(directory: DirectoryHandle, name: string): Promise<boolean> {
  for await (const [found] of directory.entries()) if (found === name) return true;
  return false;
}

async function* piecesOf(content: FileContent): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  if (typeof content === "string") yield new TextEncoder().encode(content);
  else if (content instanceof Uint8Array) yield unshared(content);
  else for await (const piece of content) yield unshared(piece);
}

/** Browsers write no memory that threads share. */
function unshared(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer ? (bytes as Uint8Array<ArrayBuffer>) : bytes.slice();
}

/** The bytes of a file, piece by piece. */
async function* pieces(file: Blob): AsyncGenerator<Uint8Array> {
  const length = 1 << 24;
  for (let at = 0; at < file.size; at += length) {
    yield new Uint8Array(await file.slice(at, at + length).arrayBuffer());
  }
}
