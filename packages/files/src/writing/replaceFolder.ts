import { makeFolder } from "../disk/makeFolder.ts";
import { diskPath, nodeModules } from "../disk/nodeModules.ts";
import { undefinedIfMissing } from "../disk/undefinedIfMissing.ts";
import { syncNames, writeToDisk } from "../disk/writeToDisk.ts";
import type { FileContent } from "../interface/modelFiles.ts";

/**
 * Writes a folder on disk (Node only) that then holds these files and no others. It is written
 * next to its place as `<folder>.<id>.part`, brought to the disk, and renamed: the place holds the
 * folder of before, or the new one. Where a process dies between two renames it holds nothing, and
 * the new one lies whole beside it. A failure leaves what was there.
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
