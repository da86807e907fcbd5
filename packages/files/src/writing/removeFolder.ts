import { diskPath, nodeModules } from "../disk/nodeModules.ts";
import { isDiskPlace, type WritablePlace } from "./writeFiles.ts";

/** Removes a folder of a place with its contents. Throws if the place cannot remove files. */
export async function removeFolder(place: WritablePlace, folder: string): Promise<void> {
  if (isDiskPlace(place)) {
    const node = nodeModules(place);
    return node.fs.rm(node.path.join(diskPath(place, node), folder), { recursive: true, force: true });
  }
  if (!place.removeFolder) throw new Error(`${place.label}: ${folder} cannot be removed, for it has no removeFolder`);
  return place.removeFolder(folder);
}
