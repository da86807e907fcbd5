/** Node's modules for reading and writing folders. */
export interface NodeModules {
  fs: typeof import("node:fs/promises");
  path: typeof import("node:path");
  url: typeof import("node:url");
}

/**
 * Returns Node's modules for reading and writing folders. Throws outside Node; `place` names the file or folder in the
 * error. The modules are loaded at run time, because an import of them would break bundling for browsers.
 */
export function nodeModules(place: string | URL): NodeModules {
  const find = globalThis.process?.getBuiltinModule;
  if (!find) {
    throw new Error(
      `${place} is a place on disk, which only Node can open; in a browser give urlFiles(new URL("model/", location.href)), or memoryFiles with picked files; opfsFiles("folder") reads and writes the browser's own storage`,
    );
  }
  return { fs: find("node:fs/promises"), path: find("node:path"), url: find("node:url") };
}

/** Returns the path on disk for a path or a file: URL. */
export function diskPath(place: string | URL, { url }: NodeModules): string {
  return place instanceof URL || place.startsWith("file:") ? url.fileURLToPath(place) : place;
}

/**
 * Returns undefined if a file-system error means that the file is missing, as in
 * `fs.stat(path).catch(undefinedIfMissing)`. Rethrows any other error, such as missing permissions.
 */
export function undefinedIfMissing(error: { code?: string }): undefined {
  // A name that is too long cannot exist.
  if (!["ENOENT", "ENOTDIR", "ENAMETOOLONG"].includes(error.code ?? "")) throw error;
  return undefined;
}
