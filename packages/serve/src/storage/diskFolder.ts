import { diskFailure, storeFailure } from "./storeFailure.ts";

/** Node's modules for files. */
export interface DiskModules {
  readonly fs: typeof import("node:fs/promises");
  readonly fsSync: typeof import("node:fs");
  readonly constants: typeof import("node:fs").constants;
  readonly paths: typeof import("node:path");
}

/** Folder of a store, with Node's modules for files. */
export interface DiskFolder extends DiskModules {
  /** Absolute path. It may contain symbolic links. */
  readonly root: string;
  /** Name of the store in messages. */
  readonly label: string;
  /** Awaits a file operation. Returns null if the file does not exist, and throws `unavailable` for other failures. */
  tried<T>(operation: Promise<T>): Promise<T | null>;
  /**
   * Returns the root folder's path without symbolic links. The path is resolved at each call, since the disk may be
   * unmounted in between.
   */
  realRoot(access?: { realpath(path: string): Promise<string> }): Promise<string>;
}

/** Error codes of a file or folder that no longer exists. */
const gone = ["ENOENT", "ENOTDIR", "ELOOP", "ENAMETOOLONG"];

/**
 * Opens a folder, given as path or file: URL. Throws on runtimes other than Node. Uses `getBuiltinModule`, since an
 * import would fail in bundlers for pages.
 */
export function diskFolder(folder: string | URL): DiskFolder {
  const find = globalThis.process?.getBuiltinModule;
  if (!find) {
    throw new Error(`${folder} is a folder on disk, which only Node can open; in a browser give an s3Place`);
  }
  const [fs, fsSync, paths] = [find("node:fs/promises"), find("node:fs"), find("node:path")];
  const isUrl = folder instanceof URL || folder.startsWith("file:");
  const root = paths.resolve(isUrl ? find("node:url").fileURLToPath(folder) : folder);
  const label = `folder ${root}`;

  const tried = async <T>(operation: Promise<T>): Promise<T | null> =>
    operation.catch((error: NodeJS.ErrnoException) => {
      if (gone.includes(error.code ?? "")) return null;
      throw diskFailure(error, "read", label);
    });
  const realRoot: DiskFolder["realRoot"] = async ({ realpath } = fs) => {
    const real = await tried(realpath(root));
    if (real === null) throw storeFailure("is not there", `there is no folder ${root}`);
    return real;
  };
  return { fs, fsSync, constants: fsSync.constants, paths, root, label, tried, realRoot };
}
