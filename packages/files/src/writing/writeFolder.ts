import { diskPath, nodeModules, undefinedIfMissing } from "../disk/nodeModules.ts";
import { makeFolder, syncNames, writeToDisk } from "../disk/writeToDisk.ts";
import type { FileContent } from "../interface/modelFiles.ts";

/**
 * Writes files into a folder on disk (Node only), and creates a missing folder. Each file is written under a temporary
 * name and flushed to the disk. When all are complete, they are renamed, so a failure before this keeps the old files.
 * The first file of each folder (such as a config) marks the folder as complete. If several files are replaced, this
 * file is removed first and renamed last. If the process dies in between, loaders therefore reject the folder, instead
 * of reading a mixture of old and new files.
 */
export async function writeFolder(folder: string | URL, contents: ReadonlyMap<string, FileContent>): Promise<void> {
  const node = nodeModules(folder);
  const { fs } = node;
  const { basename, dirname, join } = node.path;
  const { temporaryName, writingId } = await import("../disk/leftovers.ts");
  const path = diskPath(folder, node);
  const id = writingId();
  /** For each folder, the full paths of the files to write, in the order of `contents`. */
  const folders = new Map<string, string[]>();
  const temporary = (file: string, kind: "part" | "old") =>
    join(dirname(file), temporaryName(basename(file), id, kind));
  const part = (file: string) => temporary(file, "part");
  const old = (file: string) => temporary(file, "old");
  const moved: string[] = [];
  const placed: string[] = [];
  try {
    for (const [name, content] of contents) {
      const to = join(path, name);
      const around = dirname(to);
      await makeFolder(around);
      folders.set(around, [...(folders.get(around) ?? []), to]);
      await writeToDisk(part(to), content, node);
    }
    for (const [around, [seal, ...others]] of folders) {
      // Not needed for a single file, which is replaced atomically.
      for (const file of contents.size > 1 ? [seal, ...others] : []) {
        const found = await fs.lstat(file).catch(undefinedIfMissing);
        if (found?.isDirectory())
          throw new Error(`${file} is a folder, but a file must be written there; remove the folder`);
        if (!found) continue;
        await fs.rename(file, old(file));
        moved.push(file);
      }
      for (const file of [...others, seal]) {
        await fs.rename(part(file), file);
        placed.push(file);
      }
      await syncNames(around, node);
    }
  } catch (error) {
    const all = [...folders.values()].flat();
    await Promise.all(placed.filter((file) => !moved.includes(file)).map((file) => fs.rm(file, { force: true })));
    for (const file of moved.toReversed()) await fs.rename(old(file), file);
    await Promise.all(all.map((file) => fs.rm(part(file), { force: true })));
    throw error;
  }
  await Promise.all(moved.map((file) => fs.rm(old(file), { force: true })));
}

/**
 * Writes one file on disk (Node only). The file has its old or its new content, never a part, as with `writeFolder`.
 */
export async function writeFile(file: string | URL, content: FileContent): Promise<void> {
  const node = nodeModules(file);
  const { basename, dirname } = node.path;
  const path = diskPath(file, node);
  await writeFolder(dirname(path), new Map([[basename(path), content]]));
}

/**
 * Replaces a folder on disk (Node only), so that it contains exactly these files. The new folder is written as
 * `<folder>.<id>.part` and flushed to the disk. Then the old folder is renamed to `<folder>.<id>.old`, and the new one
 * to its final name. The path thus never refers to a partially written folder. If the process dies between the two
 * renames, the path is missing, and both folders have temporary names. After any other failure the old folder is kept.
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
