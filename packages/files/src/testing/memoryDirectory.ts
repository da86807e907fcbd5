import type { DirectoryHandle, FileHandle } from "../interface/directoryHandle.ts";

const missing = (name: string) => new DOMException(`${name} is missing`, "NotFoundError");
const mismatch = (name: string) => new DOMException(`${name} is of another kind`, "TypeMismatchError");

/** Returns an empty folder in memory that behaves like a folder of a browser. */
export function memoryDirectory(name = "top"): DirectoryHandle {
  const entries = new Map<string, DirectoryHandle | (FileHandle & { readonly kind: "file" })>();

  function fileHandle(start: string) {
    let at = start;
    let content = new Uint8Array();
    const handle: FileHandle & { readonly kind: "file" } = {
      kind: "file",
      getFile: async () => new Blob([content]),
      move: async (to) => {
        entries.delete(at);
        entries.set(to, handle);
        at = to;
      },
      createWritable: async () => {
        const pieces: Uint8Array<ArrayBuffer>[] = [];
        return {
          write: async (piece) => void pieces.push(piece.slice()),
          abort: async () => undefined,
          close: async () => {
            content = new Uint8Array(await new Blob(pieces).arrayBuffer());
          },
        };
      },
    };
    return handle;
  }

  return {
    kind: "directory",
    name,
    getDirectoryHandle: async (inner, { create = false } = {}) => {
      const found = entries.get(inner) ?? (create ? memoryDirectory(inner) : undefined);
      if (!found) throw missing(inner);
      if (found.kind !== "directory") throw mismatch(inner);
      entries.set(inner, found);
      return found;
    },
    getFileHandle: async (inner, { create = false } = {}) => {
      const found = entries.get(inner) ?? (create ? fileHandle(inner) : undefined);
      if (!found) throw missing(inner);
      if (found.kind !== "file") throw mismatch(inner);
      entries.set(inner, found);
      return found;
    },
    removeEntry: async (inner, { recursive = false } = {}) => {
      const found = entries.get(inner);
      if (!found) throw missing(inner);
      if (found.kind === "directory" && !recursive) {
        for await (const _ of found.entries()) throw new DOMException(inner, "InvalidModificationError");
      }
      entries.delete(inner);
    },
    entries: async function* () {
      for (const [inner, { kind }] of [...entries]) yield [inner, { kind }];
    },
  };
}
