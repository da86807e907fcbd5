import { diskPath, nodeModules } from "../disk/nodeModules.ts";
import type { FileContent } from "../interface/modelFiles.ts";
import { writeFolder } from "./writeFolder.ts";

/**
 * Writes one file on disk (Node only). The file has its old or its new content, never a part, as with `writeFolder`.
 */
export async function writeFile(file: string | URL, content: FileContent): Promise<void> {
  const node = nodeModules(file);
  const { basename, dirname } = node.path;
  const path = diskPath(file, node);
  await writeFolder(dirname(path), new Map([[basename(path), content]]));
}
