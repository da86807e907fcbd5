import { partEnding } from "../disk/writeHandle.ts";
import type { DirectoryHandle } from "../interface/directoryHandle.ts";
import type { AroundWriting } from "./directoryFiles.ts";

/** The subset of browsers' LockManager used here. */
interface Locks {
  request<T>(name: string, options: object, work: (lock: object | null) => Promise<T>): Promise<T>;
}

/**
 * Writes to folders of OPFS, after removing temporary files of closed pages: `<name>.lowrank-part`, and Chromium's
 * `.crswap`. A page holds a lock of the folder while it writes, and loses it when it is closed. So the files of pages
 * that still write stay.
 */
export const clearingWrites: AroundWriting = (folders, write) => {
  const locks = (globalThis.navigator as { locks?: Locks } | undefined)?.locks;
  if (!locks) return write();
  // Sorted, so that two writers cannot deadlock.
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
