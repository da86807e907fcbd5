import type { WritableFiles } from "../interface/modelFiles.ts";
import { clearingWrites } from "./clearingWrites.ts";
import { handleFiles } from "./directoryFiles.ts";

/**
 * Returns the files of a folder in the browser's own storage (OPFS: the origin private file system). All pages and Web
 * Workers of an origin share this storage, and it stays after they close. A write creates the folder, and removes
 * temporary files of pages that were closed while writing. Throws if the platform lacks OPFS, as Node does.
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
