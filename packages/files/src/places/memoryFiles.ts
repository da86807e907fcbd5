import { byteSource } from "@lowrank/core";
import { bytesOf } from "@lowrank/core/internal";
import { type FileContent, missingFile, namesIn, type WritableFiles } from "../interface/modelFiles.ts";

/** Content of a file in memory. A function returns the file's text, and is called for each read. */
type Content = ArrayBuffer | ArrayBufferView | Blob | string | (() => string);

/**
 * Returns files in memory: bytes or text by name, or Blobs such as files that the user of a page picked. Written files
 * are stored separately, so `contents` is not changed.
 */
export function memoryFiles(
  contents: ReadonlyMap<string, Content> | Readonly<Record<string, Content>> = {},
  label = "the files in memory",
): WritableFiles {
  const given: ReadonlyMap<string, Content> = contents instanceof Map ? contents : new Map(Object.entries(contents));
  const written = new Map<string, Uint8Array | string>();
  const get = async (name: string) => {
    const content = written.get(name) ?? given.get(name);
    if (content === undefined) throw await missingFile(files, name);
    return typeof content === "function" ? content() : content;
  };
  const files: WritableFiles = {
    label,
    has: async (name) => written.has(name) || given.has(name),
    readText: async (name) => {
      const content = await get(name);
      if (typeof content === "string") return content;
      return content instanceof Blob ? content.text() : new TextDecoder().decode(bytesOf(name, content));
    },
    open: async (name) => {
      const content = await get(name);
      return byteSource(typeof content === "string" ? new TextEncoder().encode(content) : content);
    },
    list: async (folder = "") => namesIn([...given.keys(), ...written.keys()], folder),
    removeFolder: async (folder) => {
      const start = `${folder}/`;
      const own = [...given.keys()].find((name) => name.startsWith(start));
      if (own !== undefined)
        throw new Error(`${label}: ${own} was passed to memoryFiles, and only files written later can be removed`);
      for (const name of [...written.keys()]) if (name.startsWith(start)) written.delete(name);
    },
    write: async (contents) => {
      const whole: [string, Uint8Array | string][] = [];
      for (const [name, content] of contents) whole.push([name, await ownCopy(content)]);
      for (const [name, content] of whole) written.set(name, content);
    },
  };
  return files;
}

/** Returns a copy of a file's content, so that later changes of the caller's bytes have no effect on the file. */
async function ownCopy(content: FileContent): Promise<Uint8Array | string> {
  if (typeof content === "string") return content;
  if (content instanceof Uint8Array) return content.slice();
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  for await (const piece of content) pieces.push(piece.slice());
  return new Uint8Array(await new Blob(pieces).arrayBuffer());
}
