import { partEnding } from "../disk/writeHandle.ts";
import type { DirectoryHandle } from "../interface/directoryHandle.ts";
import type { WritableFiles } from "../interface/modelFiles.ts";
import { type AroundWriting, handleFiles } from "./directoryFiles.ts";

/** The subset of browsers' LockManager that is used here. */
interface Locks {
  request<T>(name: string, options: object, work: (lock: object | null) => Promise<T>): Promise<T>;
}

/**
 * Writes to folders of OPFS. First removes temporary files that closed pages left there (`<name>.lowrank-part`, and
 * Chromium's `.crswap`). A page holds a lock on each folder while it writes there. Locked folders are skipped, so the
 * temporary files of open pages are kept. Without the Web Locks API, nothing is removed.
 */
const clearingWrites: AroundWriting = (folders, write) => {
  const locks = (globalThis.navigator as { locks?: Locks } | undefined)?.locks;
  if (!locks) return write();
  // All writers lock folders in sorted order, so that two of them cannot deadlock.
  const paths = [...folders.keys()].sort();
  const inLock = async ([path, ...others]: readonly string[]): Promise<void> => {
    if (path === undefined) return write();
    const name = `lowrank writes to /${path}`;
    await locks.request(name, { ifAvailable: true }, async (lock) => {
      if (lock) await clear(folders.get(path) as DirectoryHandle);
    });
    await locks.request(name, { mode: "shared" }, () => inLock(others));
  };
  return inLock(paths);
};

async function clear(folder: DirectoryHandle): Promise<void> {
  const left: string[] = [];
  for await (const [name, { kind }] of folder.entries()) {
    if (kind === "file" && (name.endsWith(partEnding) || name.endsWith(`${partEnding}.crswap`))) left.push(name);
  }
  for (const name of left) await folder.removeEntry(name);
}

/**
 * Returns the files of a folder in the browser's own storage (OPFS: the origin private file system). All pages and Web
 * Workers of an origin share this storage, and it stays after they close. A write creates the folder, and removes
 * temporary files of pages that were closed while writing. Throws if the platform lacks OPFS, as Node does.
 */
export function opfsFiles(folder = ""): WritableFiles {
  const storage = globalThis.navigator?.storage;
  if (typeof storage?.getDirectory !== "function") {
    throw new Error(
      `opfsFiles("${folder}"): there is no OPFS here; it is in browsers, on pages from https: or localhost; give a folder's path in Node, or memoryFiles()`,
    );
  }
  return handleFiles(`OPFS folder ${folder || "/"}`, () => storage.getDirectory(), folder, clearingWrites);
}
