import { diskPath, nodeModules, undefinedIfMissing } from "../disk/nodeModules.ts";
import { missingFile, type WritableFiles } from "../interface/modelFiles.ts";
import { byteSourceFromReadInto } from "../sources/byteSourceFromReadInto.ts";
import { replaceFolder, writeFolder } from "../writing/writeFolder.ts";

/** Opens the files of a folder on disk, by path or file: URL (Node only). Throws if the folder does not exist. */
export async function folderFiles(folder: string | URL): Promise<WritableFiles> {
  const node = nodeModules(folder);
  const { fs } = node;
  const { join } = node.path;
  const path = diskPath(folder, node);
  const found = await fs.stat(path).catch(undefinedIfMissing);
  if (!found) throw new Error(`There is no folder ${path}; ${adviceFor(String(folder))}`);
  if (!found.isDirectory()) throw new Error(`${path} is a file; expected the folder that holds it`);

  const size = async (name: string) => {
    const file = await fs.stat(join(path, name)).catch(undefinedIfMissing);
    return file?.isFile() ? file.size : undefined;
  };
  const files: WritableFiles = {
    label: `folder ${path}`,
    has: async (name) => (await size(name)) !== undefined,
    readText: async (name) => {
      if ((await size(name)) === undefined) throw await missingFile(files, name);
      return fs.readFile(join(path, name), "utf8");
    },
    open: async (name) => {
      const bytes = await size(name);
      if (bytes === undefined) throw await missingFile(files, name);
      const file = join(path, name);
      return byteSourceFromReadInto(bytes, (offset, room) => readRange(file, offset, room));
    },
    list: async (inner = "") => {
      const entries = (await fs.readdir(join(path, inner), { withFileTypes: true }).catch(undefinedIfMissing)) ?? [];
      return entries.flatMap((e) => (e.isFile() ? [e.name] : e.isDirectory() ? [`${e.name}/`] : []));
    },
    write: (contents) => writeFolder(path, contents),
    removeFolder: (inner) => fs.rm(join(path, inner), { recursive: true, force: true }),
    replaceFolder: (inner, contents) => replaceFolder(join(path, inner), contents),
  };
  return files;

  /** Reads bytes of a file. Opens the file for each read, so that no handle stays open. */
  async function readRange(file: string, offset: number, buffer: Uint8Array): Promise<void> {
    const { length } = buffer;
    const handle = await fs.open(file, "r");
    try {
      let done = 0;
      while (done < length) {
        const { bytesRead } = await handle.read(buffer, done, Math.min(length - done, 1 << 30), offset + done);
        if (bytesRead === 0) {
          throw new Error(
            `${file} ends at byte ${offset + done}; bytes ${offset} to ${offset + length} were asked for`,
          );
        }
        done += bytesRead;
      }
    } finally {
      await handle.close();
    }
  }
}

/**
 * Returns advice to append to the error for a missing folder: a name like "org/name" may be meant as a hub repository.
 */
function adviceFor(folder: string): string {
  if (!/^[\w-][\w.-]*\/[\w.-]+$/.test(folder)) return "check the path";
  return `check the path; if it is a repository of the Hugging Face hub, give "hf://${folder}"`;
}
