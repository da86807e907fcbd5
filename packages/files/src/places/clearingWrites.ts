import { partEnding } from "../disk/writeHandle.ts";
import type { DirectoryHandle } from "../interface/directoryHandle.ts";
import type { AroundWriting } from "./directoryFiles.ts";

/** The subset of browsers' LockManager that is used here. */
interface Locks {
  request<T>(name: string, options: object, work: (lock: object | null) => Promise<T>): Promise<T>;
}

/**
 * Writes to folders of OPFS, after removing the temporary files of closed pages (`<name>.lowrank-part`, and Chromium's
 * `.crswap`). A page holds a lock of a folder while it writes there, so files that another page is still writing are
 * kept.
 */
export const clearingWrites: AroundWriting = (folders, write) => {
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
