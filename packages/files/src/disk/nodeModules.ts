/** The modules of Node that read and write folders. */
export interface NodeModules {
  fs: typeof import("node:fs/promises");
  path: typeof import("node:path");
  url: typeof import("node:url");
}

/**
 * Returns the modules of Node that read and write folders. Throws where there is no Node; `place`
 * names the file or folder to open. They are asked for and not imported, since an import of them
 * stops a bundler for browsers.
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

/** Returns the path on disk of a path or file: URL. */
export function diskPath(place: string | URL, { url }: NodeModules): string {
  return place instanceof URL || place.startsWith("file:") ? url.fileURLToPath(place) : place;
}
