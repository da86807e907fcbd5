import { basename, resolve } from "node:path";

/** Returns the name by which servers and workers know a model's folder or file. */
export function servedNameOf(model: string): string {
  return basename(resolve(model)).replace(/\.gguf$/i, "");
}
