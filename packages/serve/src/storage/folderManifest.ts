import { temporaryName, writingId } from "@lowrank/files/internal/disk";
import { ServingError } from "../api/api.ts";
import { type AdapterPlace, manifestName } from "./adapterPlace.ts";
import type { DiskFolder } from "./diskFolder.ts";
import { sha256 } from "./sha256.ts";
import { pause, type StoreClock } from "./storeClock.ts";
import { diskFailure, storeFailure } from "./storeFailure.ts";

interface Lock {
  isOurs(): Promise<boolean>;
  release(): Promise<void>;
}

/**
 * Age in milliseconds after which a lock file counts as abandoned. A writer normally holds the lock for a few
 * milliseconds.
 */
const staleMs = 30_000n;

/** Number of attempts to take the lock while another writer holds it. */
const attempts = 200;
/** Milliseconds between two attempts to take the lock. */
const betweenMs = 25;

/**
 * Returns the methods that read and write the manifest of a folder. A new manifest is written to a temporary file,
 * which is renamed while this writer holds a lock file. Readers therefore see the old or the new manifest, and only one
 * of two concurrent writers succeeds.
 */
export function folderManifest(
  { label, realRoot, tried, fs, paths }: DiskFolder,
  clock: StoreClock,
): Pick<AdapterPlace, "readManifest" | "writeManifest"> {
  const read = async (root: string) => {
    const text = await tried(fs.readFile(paths.join(root, manifestName), "utf8"));
    return text === null ? null : { text, tag: await sha256(text) };
  };
  const failed = (error: unknown) =>
    diskFailure(error, "written", `${label}, which the server needs the right to write,`);

  return {
    readManifest: async (known) => {
      const manifest = await read(await realRoot());
      return manifest !== null && manifest.tag === known ? "same" : manifest;
    },
    writeManifest: async (text, replaces) => {
      const root = await realRoot();
      const beside = paths.join(root, temporaryName(manifestName, writingId(), "part"));
      try {
        await fs.writeFile(beside, text, { flag: "wx" });
        const held = await lock(root, beside);
        try {
          const before = await read(root);
          // If the lock counted as abandoned, another writer has it now.
          if ((before?.tag ?? null) !== replaces || !(await held.isOurs())) return null;
          await fs.rename(beside, paths.join(root, manifestName));
          return await sha256(text);
        } finally {
          await held.release();
        }
      } catch (error) {
        throw error instanceof ServingError ? error : failed(error);
      } finally {
        await fs.rm(beside, { force: true }).catch(() => undefined);
      }
    },
  };

  /**
   * Creates the lock file, or throws if another writer holds the lock for too long. `own` is a file that this writer
   * has just written to `root`. A lock file that is much older than `own` counts as abandoned and is removed.
   */
  async function lock(root: string, own: string): Promise<Lock> {
    const at = paths.join(root, `${manifestName}.lock`);
    const inode = async (file: string) => (await tried(fs.stat(file, { bigint: true })))?.ino;
    for (let attempt = 0; attempt < attempts; attempt++) {
      const made = await fs.open(at, "wx").catch((error: NodeJS.ErrnoException) => {
        if (error.code === "EEXIST") return null;
        throw error;
      });
      if (made) {
        const { ino } = await made.stat({ bigint: true });
        await made.close();
        const isOurs = async () => (await inode(at)) === ino;
        return { isOurs, release: async () => ((await isOurs()) ? fs.rm(at, { force: true }) : undefined) };
      }
      // Both times come from the disk's own clock, so that clocks of machines may differ.
      const [found, mine] = [await tried(fs.stat(at, { bigint: true })), await fs.stat(own, { bigint: true })];
      if (found && mine.mtimeMs - found.mtimeMs > staleMs) await takeAway(at, found.ino);
      else await pause(clock, betweenMs);
    }
    throw storeFailure(
      `is being written by another server: its ${manifestName} is locked`,
      `${label}: another server is writing ${manifestName}; remove ${at} if none is`,
    );

    /**
     * Removes an abandoned lock file, whose inode is `stale`. If another writer has replaced it in the meantime,
     * restores that writer's lock file.
     */
    async function takeAway(lockFile: string, stale: bigint): Promise<void> {
      const aside = `${lockFile}.${crypto.randomUUID()}`;
      if ((await tried(fs.rename(lockFile, aside).then(() => true))) === null) return;
      if ((await inode(aside)) !== stale) await fs.link(aside, lockFile).catch(() => undefined);
      await fs.rm(aside, { force: true });
    }
  }
}
