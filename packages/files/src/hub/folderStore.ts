import type { FileHandle } from "node:fs/promises";
import { fullDisk } from "../disk/fullDisk.ts";
import { nodeModules, undefinedIfMissing } from "../disk/nodeModules.ts";
import { folderFiles } from "../places/folderFiles.ts";
import { download, type PartialFile } from "./download.ts";
import type { HubFile, HubStore } from "./hubStore.ts";

/**
 * The cache of one repository on disk (Node only), with the layout of Python's huggingface_hub:
 * `models--org--name/{blobs,refs,snapshots}`. A partial blob ends in `.incomplete`.
 */
export function folderStore(cacheDir: string, repo: string): HubStore {
  const { fs, path: paths } = nodeModules(cacheDir);
  const { dirname, join, relative } = paths;
  const root = join(cacheDir, `models--${repo.replaceAll("/", "--")}`);
  const refOf = (revision: string) => join(root, "refs", revision);
  const snapshotOf = (commit: string) => join(root, "snapshots", commit);
  const blobOf = ({ etag }: HubFile) => join(root, "blobs", etag);
  const sizeOf = async (file: string) => (await fs.stat(file).catch(undefinedIfMissing))?.size;

  return {
    label: root,
    readRef: async (revision) => (await fs.readFile(refOf(revision), "utf8").catch(undefinedIfMissing))?.trim(),
    writeRef: async (revision, commit) => {
      await fs.mkdir(dirname(refOf(revision)), { recursive: true });
      await replace(refOf(revision), (part) => fs.writeFile(part, commit));
    },
    find: async (commit, path) => {
      if ((await sizeOf(join(snapshotOf(commit), path))) === undefined) return undefined;
      return (await folderFiles(snapshotOf(commit))).open(path);
    },
    list: async (commit) => {
      const options = { recursive: true, withFileTypes: true } as const;
      const entries = (await fs.readdir(snapshotOf(commit), options).catch(undefinedIfMissing)) ?? [];
      const files = entries.filter((entry) => !entry.isDirectory());
      return files.map(({ parentPath, name }) => {
        return relative(snapshotOf(commit), join(parentPath, name)).replaceAll("\\", "/");
      });
    },
    bring: async (commit, file, from) => {
      if (!(await holds(file))) {
        await fs.mkdir(join(root, "blobs"), { recursive: true });
        await download(await openPart(blobOf(file)), commit, file, from);
      }
      await link(commit, file);
    },
  };

  /** Returns true if the complete blob of a file is stored. */
  async function holds(file: HubFile): Promise<boolean> {
    const size = await sizeOf(blobOf(file));
    if (size === undefined || size === file.size) return size !== undefined;
    throw new Error(
      `the cached file ${blobOf(file)} has ${size} bytes, but ${file.path} of ${repo} has ${file.size}; delete the cached file, and load again`,
    );
  }

  /** Creates a link in `snapshots`, at the file's path in the commit, to the file's blob. */
  async function link(commit: string, file: HubFile): Promise<void> {
    const pointer = join(snapshotOf(commit), file.path);
    await fs.mkdir(dirname(pointer), { recursive: true });
    const blob = blobOf(file);
    await replace(pointer, async (part) => {
      // Windows lets few users create symbolic links; a hard link to the blob also works.
      await fs.symlink(relative(dirname(pointer), blob), part).catch(() => fs.link(blob, part));
    });
  }

  /** Calls `make` to write a file under a temporary name, and renames the file to `file` once it is complete. */
  async function replace(file: string, make: (part: string) => Promise<void>): Promise<void> {
    const part = `${file}.${crypto.randomUUID().slice(0, 8)}`;
    await make(part);
    await fs.rename(part, file);
  }

  async function openPart(blob: string): Promise<PartialFile> {
    const part = `${blob}.incomplete`;
    let length = (await sizeOf(part)) ?? 0;
    // "a" creates the file without emptying it; "w" would empty the file of another process.
    await (await fs.open(part, "a")).close();
    const handle: FileHandle = await fs.open(part, "r+");
    return {
      get length() {
        return length;
      },
      write: async (position, bytes) => {
        for (let done = 0; done < bytes.length; ) {
          const written = handle.write(bytes, done, bytes.length - done, position + done);
          const { bytesWritten } = await written.catch((error) => {
            throw fullDisk(error, part, bytes);
          });
          done += bytesWritten;
        }
        length = Math.max(length, position + bytes.length);
      },
      keep: () => handle.close(),
      discard: async () => {
        await handle.close();
        await fs.rm(part, { force: true });
      },
      finish: async () => {
        await handle.close();
        await fs.rename(part, blob).catch(async (error) => {
          // Another process may have completed the same file first.
          if ((await sizeOf(blob)) === undefined) throw error;
        });
      },
    };
  }
}
