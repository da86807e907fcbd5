import { byteSource, bytesOf } from "@lowrank/core";
import { type ModelFiles, missingFile } from "./modelFiles.ts";

/** The content of a file in memory. A function makes its text each time it is read. */
type Content = ArrayBuffer | ArrayBufferView | Blob | string | (() => string);

/** Files held in memory or picked by a user of a page: bytes, text, or a Blob or File, by name. */
export function memoryFiles(
  contents: ReadonlyMap<string, Content> | Readonly<Record<string, Content>>,
  label = "the files in memory",
): ModelFiles {
  const byName: ReadonlyMap<string, Content> = contents instanceof Map ? contents : new Map(Object.entries(contents));
  const get = async (name: string) => {
    const content = byName.get(name);
    if (content === undefined) throw await missingFile(files, name);
    return typeof content === "function" ? content() : content;
  };
  const files: ModelFiles = {
    label,
    has: async (name) => byName.has(name),
    readText: async (name) => {
      const content = await get(name);
      if (typeof content === "string") return content;
      return content instanceof Blob ? content.text() : new TextDecoder().decode(bytesOf(name, content));
    },
    open: async (name) => {
      const content = await get(name);
      return byteSource(typeof content === "string" ? new TextEncoder().encode(content) : content);
    },
    list: async () => [...byName.keys()],
  };
  return files;
}
