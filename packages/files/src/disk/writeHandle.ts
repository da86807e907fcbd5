import type { DirectoryHandle, FileHandle } from "../interface/directoryHandle.ts";
import type { FileContent } from "../interface/modelFiles.ts";

/** Suffix of the temporary name of a file while it is being written. */
export const partEnding = ".lowrank-part";

/** A file that was written completely under its temporary name, but does not have its final name yet. */
export interface PendingFile {
  readonly directory: DirectoryHandle;
  readonly name: string;
}

/**
 * Writes content to a file in a browser. With `createWritable`, the file changes only once the content is complete;
 * without it, which works only in Workers, the file is overwritten in place.
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
    throw new Error(
      "this browser can write files only in Web Workers; run the engine in a Worker, as lowrank/worker does",
    );
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
 * Renames a completely written temporary file to its final name. If the browser cannot rename files, the content is
 * copied with `createWritable`, which also replaces an old file atomically.
 */
export async function replaceFile({ directory, name }: PendingFile): Promise<void> {
  const part = await directory.getFileHandle(`${name}${partEnding}`);
  if (await moved(part, name)) return;
  const existed = await exists(directory, name);
  const handle = await directory.getFileHandle(name, { create: true });
  try {
    if (!handle.createWritable) {
      throw new Error("this browser can neither move files in this folder nor replace them atomically");
    }
    await writeHandle(handle, pieces(await part.getFile()));
  } catch (error) {
    if (!existed) await directory.removeEntry(name);
    throw error;
  }
  await directory.removeEntry(`${name}${partEnding}`);
}

/** Renames a file. Returns false if the browser does not support this for the file. */
async function moved(handle: FileHandle, name: string): Promise<boolean> {
  if (!handle.move) return false;
  try {
    await handle.move(name);
    return true;
  } catch {
    // Browsers refuse to rename files in folders that the user picked, with errors of several names.
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

/** Returns the bytes, copied if they are in shared memory, which browsers cannot write to files. */
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
