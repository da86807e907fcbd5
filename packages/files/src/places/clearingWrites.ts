import { partEnding } from "../disk/writeHandle.ts";
import type { DirectoryHandle } from "../interface/directoryHandle.ts";
import type { AroundWriting } from "./directoryFiles.ts";

/** The parts of a browser's LockManager that are used here. */
interface Locks {
  request<T>(name: string, options: object, work: (lock: object | null) => Promise<T>): Promise<T>;
}

/**
 * Writes to folders of OPFS, from which it first removes the files of pages that died while they
 * wrote: `<name>.lowrank-part`, and the `.crswap` that Chromium writes to. A page that writes holds
 * a lock of the folder, which it loses when it dies; the files of living pages stay.
 */
export const clearingWrites: AroundWriting = (folders, write) => {
  const locks = (globalThis.navigator as { locks?: Locks } | undefined)?.locks;
  if (!locks) return write();
  // In one order, so that no two writings wait for each other.
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
