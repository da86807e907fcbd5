import { basename, dirname, resolve } from "node:path";

/** Returns the name of a file, folder or preset without its parent folders, for display in pages. */
export function shortName(source: string): string {
  const path = resolve(source);
  const name = basename(path);
  return name === "config.json" || name === "adapter_config.json" ? basename(dirname(path)) || name : name;
}

/** Returns the name of a model's folder or file on servers and workers: its base name without `.gguf`. */
export function servedNameOf(model: string): string {
  return basename(resolve(model)).replace(/\.gguf$/i, "");
}
