import type { BigIntStats } from "node:fs";
import { type AdapterFile, type AdapterPlace, configName, unavailable } from "./adapterPlace.ts";
import { confinedPath, refusedPath } from "./confinedPath.ts";
import { diskModules } from "./diskModules.ts";
import { folderManifest } from "./folderManifest.ts";
import type { StoreClock } from "./storeClock.ts";
import { systemClock } from "./storeClock.ts";

/** A file or folder that was there a moment ago. */
const gone = ["ENOENT", "ENOTDIR", "ELOOP", "ENAMETOOLONG"];

/**
 * A folder of adapter folders on disk (Node only), by path or file: URL. Symbolic links are
 * followed as long as they stay in the folder.
 */
export function folderPlace(folder: string | URL, clock: StoreClock = systemClock): AdapterPlace {
  const { fs, constants, path: paths, url } = diskModules(folder);
  const given = folder instanceof URL || folder.startsWith("file:") ? url.fileURLToPath(folder) : folder;
  const root = paths.resolve(given);
  const label = `folder ${root}`;

  /** Waits for a file operation: null for what is not there, `unavailable` for other failures. */
  const tried = async <T>(operation: Promise<T>): Promise<T | null> =>
    operation.catch((error: NodeJS.ErrnoException) => {
      if (gone.includes(error.code ?? "")) return null;
      throw unavailable(`${label} cannot be read: ${error.message}`, error);
    });

  /** The root without symbolic links. Asked for each time: it may be a disk that comes and goes. */
  const realRoot = async (): Promise<string> => {
    const real = await tried(fs.realpath(root));
    if (real === null) throw unavailable(`there is no folder ${root}`);
    return real;
  };

  /** The path without symbolic links; null where there is nothing. Throws for one outside. */
  const realPath = async (path: string): Promise<string | null> => {
    const top = await realRoot();
    const real = await tried(fs.realpath(paths.join(top, path)));
    if (real === null) return null;
    const below = paths.relative(top, real);
    if (below !== "" && below !== ".." && !below.startsWith(`..${paths.sep}`) && !paths.isAbsolute(below)) return real;
    throw refusedPath(path, `is a link that leads out of ${label}; copy what it means into the folder`);
  };

  const files = async (path: string): Promise<readonly AdapterFile[] | null> => {
    const real = await realPath(path);
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

  /** Names the adapters below a folder. A folder that holds an adapter is not looked into. */
  const adaptersIn = async (top: string, path: string): Promise<string[]> => {
    const entries = (await tried(fs.readdir(paths.join(top, path), { withFileTypes: true }))) ?? [];
    if (path !== "" && entries.some(({ name }) => name === configName)) return [path];
    const found: string[] = [];
    for (const entry of entries) {
      const inner = path === "" ? entry.name : `${path}/${entry.name}`;
      if (entry.isDirectory()) found.push(...(await adaptersIn(top, inner)));
      // What a link means is not walked through: links may go in circles.
      else if (entry.isSymbolicLink() && (await isAdapter(inner))) found.push(inner);
    }
    return found;
  };
  const isAdapter = async (path: string): Promise<boolean> => {
    const real = await realPath(path).catch(() => null);
    return real !== null && (await tried(fs.stat(paths.join(real, configName)))) !== null;
  };

  return {
    label,
    pathOf: (path) => {
      if (!paths.isAbsolute(path)) return confinedPath(path, label);
      const below = paths.relative(root, path);
      // A path such as /srv/adapters/../secret is for `confinedPath` to see as it was given.
      return path.startsWith(root + paths.sep) && paths.join(root, below) === path.replace(/\/$/, "")
        ? confinedPath(below.replaceAll(paths.sep, "/"), label)
        : confinedPath(path, label);
    },
    list: async () => (await adaptersIn(await realRoot(), "")).sort(),
    files,
    read: async (path, file) => {
      const at = `${path}/${file.name}`;
      // Opened before it is looked at: whatever the names mean later, this file is what is read.
      const flags = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);
      const handle = await tried(fs.open(paths.join(await realRoot(), at), flags));
      if (handle === null) return null;
      try {
        const opened = await handle.stat({ bigint: true });
        const real = await realPath(at);
        const named = real === null ? null : await tried(fs.stat(real, { bigint: true }));
        if (named?.ino !== opened.ino || named.dev !== opened.dev || tagOf(opened) !== file.tag) return null;
        const bytes = new Uint8Array(file.size);
        for (let done = 0; done < bytes.length; ) {
          const part = await tried(handle.read(bytes, done, Math.min(bytes.length - done, 1 << 30), done));
          if (!part?.bytesRead) return null;
          done += part.bytesRead;
        }
        return tagOf(await handle.stat({ bigint: true })) === file.tag ? bytes : null;
      } finally {
        await handle.close();
      }
    },
    ...folderManifest({ label, realRoot, tried, clock, fs, paths }),
  };
}

function tagOf({ dev, ino, size, mtimeNs }: BigIntStats): string {
  return `${dev}-${ino}-${size}-${mtimeNs}`;
}
