import { makeFolder } from "../disk/makeFolder.ts";
import { diskPath, nodeModules, undefinedIfMissing } from "../disk/nodeModules.ts";
import { syncNames, writeToDisk } from "../disk/writeToDisk.ts";
import type { FileContent } from "../interface/modelFiles.ts";

/**
 * Replaces a folder on disk (Node only), so that it contains exactly these files. The new folder is written as
 * `<folder>.<id>.part`, flushed to the disk, and renamed. So the path has the old folder or the complete new one. If
 * the process dies between the two renames, the path is missing, and the new folder has its temporary name. After any
 * other failure the old folder is kept.
 */
export async function replaceFolder(folder: string | URL, contents: ReadonlyMap<string, FileContent>): Promise<void> {
  const node = nodeModules(folder);
  const { fs } = node;
  const { basename, dirname, join, resolve } = node.path;
  const path = resolve(diskPath(folder, node));
  const [around, own] = [dirname(path), basename(path)];
  const { removeLeftovers, temporaryName, writingId } = await import("../disk/leftovers.ts");
  const id = writingId();
  const [part, old] = (["part", "old"] as const).map((kind) => join(around, temporaryName(own, id, kind)));

  const folders = new Set([part]);
  let moved = false;
  try {
    await makeFolder(part);
    for (const [name, content] of contents) {
      const to = join(part, name);
      for (let inner = dirname(to); inner !== part; inner = dirname(inner)) folders.add(inner);
      await fs.mkdir(dirname(to), { recursive: true });
      await writeToDisk(to, content, node);
    }
    for (const written of folders) await syncNames(written, node);
    if (await fs.lstat(path).catch(undefinedIfMissing)) {
      await fs.rename(path, old);
      moved = true;
    }
    await fs.rename(part, path);
    await syncNames(around, node);
  } catch (error) {
    if (moved) await fs.rename(old, path).catch(undefinedIfMissing);
    await fs.rm(part, { recursive: true, force: true });
    throw error;
  }
  if (moved) await fs.rm(old, { recursive: true, force: true });
  await removeLeftovers(around, { of: own });
}
