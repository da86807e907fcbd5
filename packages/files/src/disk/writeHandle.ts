import type { DirectoryHandle, FileHandle } from "../interface/directoryHandle.ts";
import type { FileContent } from "../interface/modelFiles.ts";

/** The suffix of a file that is being written in the same folder. */
export const partEnding = ".lowrank-part";

/** A file whose complete content is stored in the same folder under a temporary name. */
export interface PendingFile {
  readonly directory: DirectoryHandle;
  readonly name: string;
}

/**
 * Writes the content of a file. With `createWritable` the file appears once it is complete. Without it, Workers write
 * in place.
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
 * Moves a completely written temporary file to its final name. If the browser cannot move files, the content is copied
 * by `createWritable`, which replaces an older file atomically.
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

/** Moves a file within its folder. Returns false if the browser or the folder does not support that. */
async function moved(handle: FileHandle, name: string): Promise<boolean> {
  if (!handle.move) return false;
  try {
    await handle.move(name);
    return true;
  } catch {
    // Browsers refuse to move files in the user's own folders, with errors of several names.
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

/** Browsers cannot write memory that threads share, so such bytes are copied. */
function unshared(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer ? (bytes as Uint8Array<ArrayBuffer>) : bytes.slice();
}

/** Yields the bytes of a file in pieces of 16 MiB. */
async function* pieces(file: Blob): AsyncGenerator<Uint8Array> {
  const length = 1 << 24;
  for (let at = 0; at < file.size; at += length) {
    yield new Uint8Array(await file.slice(at, at + length).arrayBuffer());
  }
}
