/** Node's modules for files. */
export interface DiskModules {
  readonly fs: typeof import("node:fs/promises");
  readonly fsSync: typeof import("node:fs");
  readonly constants: typeof import("node:fs").constants;
  readonly path: typeof import("node:path");
  readonly url: typeof import("node:url");
}

/**
 * Returns Node's modules for files. Throws on other runtimes; `folder` is named in the error. Uses `getBuiltinModule`,
 * since an import would fail in bundlers for pages.
 */
export function diskModules(folder: string | URL): DiskModules {
  const find = globalThis.process?.getBuiltinModule;
  if (!find) {
    throw new Error(`${folder} is a folder on disk, which only Node can open; in a browser give an s3Place`);
  }
  return {
    fs: find("node:fs/promises"),
    fsSync: find("node:fs"),
    constants: find("node:fs").constants,
    path: find("node:path"),
    url: find("node:url"),
  };
}
