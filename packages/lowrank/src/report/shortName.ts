import { basename, dirname, resolve } from "node:path";

/** What pages call a file, a folder or a preset: its own name, without the folders that lead there on one machine. */
export function shortName(source: string): string {
  const path = resolve(source);
  const name = basename(path);
  return name === "config.json" || name === "adapter_config.json" ? basename(dirname(path)) || name : name;
}
