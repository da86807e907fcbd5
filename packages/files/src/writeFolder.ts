import type { FileContent } from "./modelFiles.ts";
import { diskPath, nodeModules } from "./nodeModules.ts";

/**
 * Writes files into a folder on disk (Node only), which is made where it is missing. Each file is
 * written beside its place and renamed only when all are whole, so a failure leaves what was there.
 * They are renamed in their order.
 */
export async function writeFolder(folder: string | URL, contents: ReadonlyMap<string, FileContent>): Promise<void> {
  const node = nodeModules(folder);
  const { fs } = node;
  const { dirname, join } = node.path;
  const path = diskPath(folder, node);
  const pending: [from: string, to: string][] = [];
  try {
    for (const [name, content] of contents) {
      const to = join(path, name);
      await fs.mkdir(dirname(to), { recursive: true });
      const from = `${to}.${crypto.randomUUID().slice(0, 8)}.part`;
      pending.push([from, to]);
      await fs.writeFile(from, content);
    }
    for (const [from, to] of pending) await fs.rename(from, to);
  } catch (error) {
    await Promise.all(pending.map(([from]) => fs.rm(from, { force: true })));
    throw error;
  }
}
