import type { ByteSource } from "@lowrank/core";
import { folderFiles } from "./folderFiles.ts";
import { diskPath, nodeModules } from "./nodeModules.ts";
import { urlFiles } from "./urlFiles.ts";

/**
 * One file for reading in parts, by http(s) address, or by path or file: URL (Node only).
 * Throws where it is missing.
 */
export async function openFile(file: string | URL): Promise<ByteSource> {
  if (/^https?:/.test(String(file))) {
    const { origin, pathname, search } = new URL(file);
    const end = pathname.lastIndexOf("/") + 1;
    return urlFiles(origin + pathname.slice(0, end)).open(pathname.slice(end) + search);
  }
  const node = nodeModules(file);
  const { basename, dirname } = node.path;
  const path = diskPath(file, node);
  return (await folderFiles(dirname(path))).open(basename(path));
}
