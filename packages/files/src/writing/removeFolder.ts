import { diskPath, nodeModules, undefinedIfMissing } from "../disk/nodeModules.ts";
import { isDiskPlace, type WritablePlace } from "./writeFiles.ts";

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
