import type { ByteSource } from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";
import { diskPath, nodeModules } from "../disk/nodeModules.ts";
import { folderFiles } from "../places/folderFiles.ts";
import { urlFiles } from "../places/urlFiles.ts";
import { type OpenOptions, openKeys } from "./openFiles.ts";

/**
 * Opens one file for reading in parts, by http(s) or hf:// address, or by path or file: URL (Node only). Throws if it
 * is missing.
 */
export async function openFile(file: string | URL, options: OpenOptions = {}): Promise<ByteSource> {
  checkOptions("openFile", options, openKeys);
  if (/^hf:/i.test(String(file))) return (await import("./openHubFile.ts")).openHubFile(file, options);
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
