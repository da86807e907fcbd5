import type { FileContent, WritableFiles } from "./modelFiles.ts";
import { writeFolder } from "./writeFolder.ts";

/** A place to write files to: a folder by path or file: URL (Node only), or `WritableFiles`. */
export type WritablePlace = string | URL | WritableFiles;

/**
 * Writes files to a place; a folder is made where it is missing. Each stands there whole or as it
 * was before, and they appear in their order. Throws for a place that cannot be written to.
 */
export async function writeFiles(place: WritablePlace, contents: ReadonlyMap<string, FileContent>): Promise<void> {
  if (typeof place === "string" || place instanceof URL) {
    if (/^(?!file:)[a-z][a-z\d+.-]*:\/\//i.test(String(place))) {
      throw new Error(`${place} is an address, which nothing is written to; ${writable}`);
    }
    return writeFolder(place, contents);
  }
  if (typeof (place as WritableFiles | null)?.write === "function") return place.write(contents);
  const label = (place as WritableFiles | null)?.label ?? String(place);
  throw new Error(`${label} cannot be written to; ${writable}`);
}

const writable = 'give a folder\'s path (Node), opfsFiles("folder"), directoryFiles(handle) or memoryFiles()';
