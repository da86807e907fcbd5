import { writeFolder } from "@lowrank/files";
import { temporaryName, writingId } from "@lowrank/files/internal/disk";
import type { DiskFolder } from "../diskFolder.ts";
import { diskFailure, storeFailure } from "../storeFailure.ts";
import { type ObjectStore, type StoredObject, sortedByKey } from "./objectStore.ts";

/** Number of bytes that are read from a file at a time. */
const pieceBytes = 1 << 20;

/** Creates an object store in a folder on disk. Each object is a file. */
export function folderObjects({ fs, paths, root, label, tried }: DiskFolder): ObjectStore {
  const fileOf = (key: string) => paths.join(root, ...key.split("/"));
  const done = async (operation: Promise<unknown>): Promise<void> => {
    await operation.catch((error: Error) => {
      throw diskFailure(error, "written", label);
    });
  };

  const walk = async (key: string, found: StoredObject[]): Promise<void> => {
    for (const entry of (await tried(fs.readdir(fileOf(key), { withFileTypes: true }))) ?? []) {
      const inner = key === "" ? entry.name : `${key}/${entry.name}`;
      if (entry.isDirectory()) await walk(inner, found);
      // Temporary files of a running or killed writer.
      if (!entry.isFile() || /\.(part|old)$/.test(entry.name)) continue;
      const stats = await tried(fs.stat(fileOf(inner)));
      if (stats) found.push({ key: inner, size: stats.size });
    }
  };

  return {
    label,
    get: async (key) => {
      const bytes = await tried(fs.readFile(fileOf(key)));
      return bytes && new Uint8Array(bytes);
    },
    stream: async function* (key) {
      const handle = await tried(fs.open(fileOf(key)));
      if (!handle) throw storeFailure("lacks an object", `${label} has no ${key}`);
      try {
        for (;;) {
          const { bytesRead, buffer } = await handle.read(new Uint8Array(pieceBytes), 0, pieceBytes);
          if (bytesRead === 0) return;
          yield buffer.subarray(0, bytesRead);
        }
      } finally {
        await handle.close();
      }
    },
    put: async (key, content) => {
      const file = fileOf(key);
      let ofContent: { readonly error: unknown } | null = null;
      const watched = async function* (pieces: AsyncIterable<Uint8Array>) {
        try {
          yield* pieces;
        } catch (error) {
          ofContent = { error };
          throw error;
        }
      };
      const given = typeof content === "string" || content instanceof Uint8Array ? content : watched(content);
      try {
        await writeFolder(paths.dirname(file), new Map([[paths.basename(file), given]]));
      } catch (error) {
        if (ofContent) throw (ofContent as { readonly error: unknown }).error;
        throw diskFailure(error, "written", label);
      }
    },
    create: async (key, text) => {
      const file = fileOf(key);
      const part = paths.join(paths.dirname(file), temporaryName(paths.basename(file), writingId(), "part"));
      await done(fs.mkdir(paths.dirname(file), { recursive: true }));
      await done(fs.writeFile(part, text, { flush: true }));
      try {
        // Unlike a rename, a link never replaces an existing file.
        await fs.link(part, file);
        return true;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
        throw diskFailure(error, "written", label);
      } finally {
        await fs.rm(part, { force: true });
      }
    },
    list: async (start) => {
      const found: StoredObject[] = [];
      await walk(start.replace(/\/$/, ""), found);
      return sortedByKey(found);
    },
    remove: async (key) => {
      await tried(fs.rm(fileOf(key)));
    },
  };
}
