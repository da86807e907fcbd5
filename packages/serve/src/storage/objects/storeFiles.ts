import { bytesSource } from "@lowrank/core";
import type { WritableFiles } from "@lowrank/files";
import { missingFile } from "@lowrank/files/internal";
import { type ObjectStore, removeAll } from "./objectStore.ts";

/**
 * Returns the objects whose keys begin with `start` and "/" as a folder of files, in which a trainer can store its
 * checkpoints.
 */
export function storeFiles(store: ObjectStore, start: string): WritableFiles {
  const keyOf = (name: string) => `${start}/${name}`;
  const read = async (name: string) => {
    const bytes = await store.get(keyOf(name));
    if (bytes === null) throw await missingFile(files, name);
    return bytes;
  };
  const files: WritableFiles = {
    label: `${start} of the store`,
    has: async (name) => (await store.get(keyOf(name))) !== null,
    readText: async (name) => new TextDecoder().decode(await read(name)),
    open: async (name) => bytesSource(await read(name)),
    list: async (folder = "") => {
      const below = folder === "" ? `${start}/` : `${keyOf(folder)}/`;
      const names = (await store.list(below)).map(({ key }) => /^[^/]*\/?/.exec(key.slice(below.length))![0]);
      return [...new Set(names)];
    },
    write: async (contents) => {
      for (const [name, content] of contents) await store.put(keyOf(name), content);
    },
    removeFolder: (folder) => removeAll(store, `${keyOf(folder)}/`),
  };
  return files;
}
