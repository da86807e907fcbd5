import type { WritableFiles } from "../interface/modelFiles.ts";
import { clearingWrites } from "./clearingWrites.ts";
import { handleFiles } from "./directoryFiles.ts";

/**
 * The files of a folder in the browser's own storage (OPFS: the origin private file system), which
 * pages and Web Workers of one origin share and which outlasts them. The folder is made by
 * writing, which also removes temporary files of pages that were closed while writing. Throws if
 * the platform lacks this storage, as Node does.
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
