import { diskPath, nodeModules, undefinedIfMissing } from "../disk/nodeModules.ts";
import type { FileContent, WritableFiles } from "../interface/modelFiles.ts";
import { replaceFolder, writeFolder } from "./writeFolder.ts";

/** A place to write files to: a folder by path or file: URL (Node only), or `WritableFiles`. */
export type WritablePlace = string | URL | WritableFiles;

/**
 * Writes files to a place, and creates a missing folder. Each file has its old or its complete new content, and files
 * appear in the order of the map. Throws if the place cannot be written.
 */
export async function writeFiles(place: WritablePlace, contents: ReadonlyMap<string, FileContent>): Promise<void> {
  if (isDiskPlace(place)) return writeFolder(place, contents);
  expectWritable(place);
  return place.write(contents);
}

/**
 * Replaces a folder of a place, so that it contains exactly these files. On disk, and in places with the method
 * `replaceFolder`, the folder either changes as a whole or keeps its old content. In other places, the files are
 * written in the order of the map. Each of them changes as a whole, and other files in the folder stay.
 */
export async function writeFolderOf(
  place: WritablePlace,
  folder: string,
  contents: ReadonlyMap<string, FileContent>,
): Promise<void> {
  if (isDiskPlace(place)) {
    const node = nodeModules(place);
    return replaceFolder(node.path.join(diskPath(place, node), folder), contents);
  }
  expectWritable(place);
  if (place.replaceFolder) return place.replaceFolder(folder, contents);
  return place.write(new Map([...contents].map(([name, content]) => [`${folder}/${name}`, content])));
}

/** Returns true if the place is a folder on disk. Throws for an address such as http://. */
function isDiskPlace(place: WritablePlace): place is string | URL {
  if (typeof place !== "string" && !(place instanceof URL)) return false;
  if (!/^(?!file:)[a-z][a-z\d+.-]*:\/\//i.test(String(place))) return true;
  throw new Error(`${place} is an address, which cannot be written to; ${writable}`);
}

function expectWritable(place: WritableFiles): void {
  if (typeof (place as WritableFiles | null)?.write === "function") return;
  const label = (place as WritableFiles | null)?.label ?? String(place);
  throw new Error(`${label} cannot be written to; ${writable}`);
}

const writable = 'give a folder\'s path (Node), opfsFiles("folder"), directoryFiles(handle) or memoryFiles()';

/**
 * Removes a folder of a place with its contents. On disk, the folder is first renamed to a temporary name, so that its
 * name never refers to a partially removed folder. Throws if the place cannot remove files.
 */
export async function removeFolder(place: WritablePlace, folder: string): Promise<void> {
  if (isDiskPlace(place)) {
    const node = nodeModules(place);
    const { basename, dirname, join } = node.path;
    const path = join(diskPath(place, node), folder);
    const { temporaryName, writingId } = await import("../disk/leftovers.ts");
    const old = join(dirname(path), temporaryName(basename(path), writingId(), "old"));
    await node.fs.rename(path, old).catch(undefinedIfMissing);
    return node.fs.rm(old, { recursive: true, force: true });
  }
  if (!place.removeFolder)
    throw new Error(`${place.label} has no method removeFolder, so ${folder} in it cannot be removed`);
  return place.removeFolder(folder);
}
