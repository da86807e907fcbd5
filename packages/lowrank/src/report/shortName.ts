import { basename, dirname, resolve } from "node:path";

/**
 * Returns the name of a file, a folder or a preset for pages, without the folders that lead there.
 */
export function shortName(source: string): string {
  const path = resolve(source);
  const name = basename(path);
  return name === "config.json" || name === "adapter_config.json" ? basename(dirname(path)) || name : name;
}
