import { blobSource } from "@lowrank/core";
import { type PendingFile, partEnding, replaceFile, writeHandle } from "../disk/writeHandle.ts";
import type { DirectoryHandle } from "../interface/directoryHandle.ts";
import { missingFile, type WritableFiles } from "../interface/modelFiles.ts";

/**
 * Returns the files of a folder that a user picked with `showDirectoryPicker`, or of a subfolder. If the browser cannot
 * rename files there, closing the page during a write may leave an empty new file, but never a partial one.
 */
export function directoryFiles(handle: DirectoryHandle, folder = ""): WritableFiles {
  const label = `folder ${[handle.name, ...partsOf(folder)].join("/")}`;
  return handleFiles(label, async () => handle, folder);
}

/**
 * A function that calls `write` and can do work before and after it. `folders` contains the handle of each folder to
 * which `write` writes, by the folder's path.
 */
export type AroundWriting = (
  folders: ReadonlyMap<string, DirectoryHandle>,
  write: () => Promise<void>,
) => Promise<void>;

/**
 * Returns the files of `folder`, a path relative to the directory that `root` returns. Writing creates missing folders;
 * reading does not. Each write runs through `around`.
 */
export function handleFiles(
  label: string,
  root: () => Promise<DirectoryHandle>,
  folder: string,
  around: AroundWriting = (_, write) => write(),
): WritableFiles {
  const directory = async (parts: readonly string[], options?: { create?: boolean }) => {
    let at = await root();
    for (const part of parts) at = await at.getDirectoryHandle(part, options);
    return at;
  };
  const find = async (name: string): Promise<Blob | undefined> => {
    const { folders, last } = split(folder, name);
    return orUndefined(directory(folders).then(async (at) => (await at.getFileHandle(last)).getFile()));
  };
  const get = async (name: string) => {
    const file = await find(name);
    if (file === undefined) throw await missingFile(files, name);
    return file;
  };
  const files: WritableFiles = {
    label,
    has: async (name) => (await find(name)) !== undefined,
    readText: async (name) => (await get(name)).text(),
    open: async (name) => blobSource(await get(name)),
    list: async (inner = "") => {
      const names: string[] = [];
      const at = await orUndefined(directory([...partsOf(folder), ...partsOf(inner)]));
      if (at) for await (const [name, { kind }] of at.entries()) names.push(kind === "file" ? name : `${name}/`);
      return names;
    },
    removeFolder: async (inner) => {
      const { folders, last } = split(folder, inner);
      await orUndefined(directory(folders).then((at) => at.removeEntry(last, { recursive: true })));
    },
    write: async (contents) => {
      const pending: PendingFile[] = [];
      let writing = "";
      try {
        const places = new Map<string, DirectoryHandle>();
        for (const name of contents.keys()) {
          writing = name;
          const { folders } = split(folder, name);
          const path = folders.join("/");
          if (!places.has(path)) places.set(path, await directory(folders, { create: true }));
        }
        await around(places, async () => {
          for (const [name, content] of contents) {
            writing = name;
            const { folders, last } = split(folder, name);
            const at = places.get(folders.join("/")) as DirectoryHandle;
            pending.push({ directory: at, name: last });
            await writeHandle(await at.getFileHandle(`${last}${partEnding}`, { create: true }), content);
          }
          for (const file of pending) {
            writing = file.name;
            await replaceFile(file);
          }
        });
      } catch (error) {
        for (const { directory: at, name } of pending) await at.removeEntry(`${name}${partEnding}`).catch(() => {});
        throw new Error(`${label}: ${writing} could not be written: ${(error as Error).message}`, { cause: error });
      }
    },
  };
  return files;
}

function split(folder: string, name: string): { folders: string[]; last: string } {
  const parts = [...partsOf(folder), ...partsOf(name)];
  return { folders: parts.slice(0, -1), last: parts.at(-1) ?? "" };
}

/** Returns the names of the folders and file in a path. Throws for "..". */
function partsOf(path: string): string[] {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) throw new Error(`${path}: a browser's folders have no "..": give a path below the folder`);
  return parts;
}

/** Returns undefined if the file is missing. Rethrows any other error, such as missing permission. */
async function orUndefined<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found;
  } catch (error) {
    const { name } = error as { name?: string };
    if (name === "NotFoundError" || name === "TypeMismatchError") return undefined;
    throw error;
  }
}
