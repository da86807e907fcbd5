import { blobSource, bytesSource } from "@lowrank/core";
import { type ModelFiles, missingFile } from "./modelFiles.ts";

/** Files held in memory or picked by a user of a page: bytes, text, or a Blob or File, by name. */
export function memoryFiles(
  contents: ReadonlyMap<string, Uint8Array | Blob | string> | Readonly<Record<string, Uint8Array | Blob | string>>,
  label = "the files in memory",
): ModelFiles {
  const byName: ReadonlyMap<string, Uint8Array | Blob | string> =
    contents instanceof Map ? contents : new Map(Object.entries(contents));
  const get = async (name: string) => {
    const content = byName.get(name);
    if (content === undefined) throw await missingFile(files, name);
    return content;
  };
  const files: ModelFiles = {
    label,
    has: async (name) => byName.has(name),
    readText: async (name) => {
      const content = await get(name);
      if (typeof content === "string") return content;
      return content instanceof Blob ? content.text() : new TextDecoder().decode(content);
    },
    open: async (name) => {
      const content = await get(name);
      if (content instanceof Blob) return blobSource(content);
      return bytesSource(typeof content === "string" ? new TextEncoder().encode(content) : content);
    },
    list: async () => [...byName.keys()],
  };
  return files;
}
