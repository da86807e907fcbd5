import type { BigIntStats } from "node:fs";
import { type AdapterFile, configName, isInternal } from "./adapterPlace.ts";
import { confinedPath, refusedPath } from "./confinedPath.ts";
import { diskFolder } from "./diskFolder.ts";
import { type FileAccess, fileAccess } from "./fileAccess.ts";
import { folderManifest } from "./folderManifest.ts";
import { folderObjects } from "./objects/folderObjects.ts";
import type { ServingStore } from "./objects/objectStore.ts";
import { type StoreClock, systemClock } from "./storeClock.ts";

/**
 * Creates the store of a server from a folder on disk (Node only), given as path or file: URL. Symbolic links to
 * adapters are followed within the folder.
 */
export function folderPlace(folder: string | URL, clock: StoreClock = systemClock): ServingStore {
  const disk = diskFolder(folder);
  const { fs, paths, root, tried, realRoot } = disk;
  const accessNow = fileAccess(disk, clock);

  /**
   * Resolves the symbolic links in a path relative to `top`, which is the resolved root. Returns null if the path does
   * not exist. Throws if the result is outside of `top`.
   */
  const realPath = async (
    top: string,
    path: string,
    { realpath }: Pick<FileAccess, "realpath"> = fs,
  ): Promise<string | null> => {
    const real = await tried(realpath(paths.join(top, path)));
    if (real === null) return null;
    const below = paths.relative(top, real);
    if (below !== "" && below !== ".." && !below.startsWith(`..${paths.sep}`) && !paths.isAbsolute(below)) return real;
    throw refusedPath(path, `is a link that leads out of the store; copy the files that it points to into the folder`);
  };

  const files = async (path: string): Promise<readonly AdapterFile[] | null> => {
    const real = await realPath(await realRoot(), path);
    const names = real === null ? null : await tried(fs.readdir(real));
    if (real === null || names === null) return null;
    const found = await Promise.all(
      names.map(async (name): Promise<AdapterFile[]> => {
        const stats = await tried(fs.stat(paths.join(real, name), { bigint: true }));
        return stats?.isFile() ? [{ name, size: Number(stats.size), tag: tagOf(stats) }] : [];
      }),
    );
    return found.flat();
  };

  /** Returns the paths of adapters below a folder. Does not search inside the folder of an adapter. */
  const adaptersIn = async (top: string, path: string): Promise<string[]> => {
    const entries = (await tried(fs.readdir(paths.join(top, path), { withFileTypes: true }))) ?? [];
    if (path !== "" && entries.some(({ name }) => name === configName)) return [path];
    const found: string[] = [];
    for (const entry of entries) {
      const inner = path === "" ? entry.name : `${path}/${entry.name}`;
      if (isInternal(inner)) continue;
      if (entry.isDirectory()) found.push(...(await adaptersIn(top, inner)));
      // A linked folder is not searched, since links may form cycles.
      else if (entry.isSymbolicLink() && (await isAdapter(top, inner))) found.push(inner);
    }
    return found;
  };
  const isAdapter = async (top: string, path: string): Promise<boolean> => {
    const real = await realPath(top, path).catch(() => null);
    return real !== null && (await tried(fs.stat(paths.join(real, configName)))) !== null;
  };

  /** Reads a file; null if it no longer exists, or has changed since it was listed. */
  const readWhole = async (
    at: string,
    { size, tag }: AdapterFile,
    access: FileAccess,
  ): Promise<Uint8Array<ArrayBuffer> | null> => {
    const file = await tried(access.open(at));
    if (file === null) return null;
    try {
      if (tagOf(await file.stat()) !== tag) return null;
      const bytes = new Uint8Array(size);
      for (let done = 0; done < size; ) {
        const count = await tried(file.read(bytes, done, Math.min(size - done, 1 << 30)));
        if (!count) return null;
        done += count;
      }
      return bytes;
    } finally {
      await file.close();
    }
  };

  return {
    ...folderObjects(disk),
    ...folderManifest(disk, clock),
    pathOf: (path) => {
      if (!paths.isAbsolute(path)) return confinedPath(path);
      const below = paths.relative(root, path);
      // Passes a path such as /srv/adapters/../secret unchanged to `confinedPath`, which refuses it.
      return path.startsWith(root + paths.sep) && paths.join(root, below) === path.replace(/\/$/, "")
        ? confinedPath(below.replaceAll(paths.sep, "/"))
        : confinedPath(path);
    },
    adapters: async () => (await adaptersIn(await realRoot(), "")).sort(),
    files,
    holds: async (path, files) => {
      // No check of the path is needed: an equal tag means the same file, which was inside the folder when it was
      // listed.
      const isSame = async ({ name, tag }: AdapterFile) => {
        const stats = await tried(fs.stat(paths.join(root, path, name), { bigint: true }));
        return stats !== null && tagOf(stats) === tag;
      };
      return (await Promise.all(files.map(isSame))).every(Boolean);
    },
    read: async (path, files) => {
      const access = accessNow();
      const contents: Uint8Array<ArrayBuffer>[] = [];
      for (const file of files) {
        const bytes = await readWhole(paths.join(root, path, file.name), file, access);
        if (bytes === null) return null;
        contents.push(bytes);
      }
      // Paths may have changed while reading. Returns the contents only if the paths still lead to the same unchanged
      // files inside the folder.
      const top = await realRoot(access);
      const folder = await realPath(top, path, access);
      for (const { name, tag } of files) {
        let named = folder === null ? null : await tried(access.lstat(paths.join(folder, name)));
        if (named?.isSymbolicLink()) {
          const real = await realPath(top, `${path}/${name}`, access);
          named = real === null ? null : await tried(access.lstat(real));
        }
        if (named === null || tagOf(named) !== tag) return null;
      }
      return contents;
    },
  };
}

function tagOf({ dev, ino, size, mtimeNs }: BigIntStats): string {
  return `${dev}-${ino}-${size}-${mtimeNs}`;
}
