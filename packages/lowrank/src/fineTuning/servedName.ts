import { basename, resolve } from "node:path";

/** Returns the name of a model's folder or file on servers and workers: its base name without `.gguf`. */
export function servedNameOf(model: string): string {
  return basename(resolve(model)).replace(/\.gguf$/i, "");
}
