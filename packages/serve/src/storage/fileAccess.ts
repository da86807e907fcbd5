import type { BigIntStats } from "node:fs";
import type { DiskModules } from "./diskModules.ts";
import type { StoreClock } from "./storeClock.ts";

/** A file that is open for reading. */
interface OpenedFile {
  stat(): Promise<BigIntStats>;
  /** Reads at most `length` bytes of the file from `at` on, into the same place of `bytes`. */
  read(bytes: Uint8Array, at: number, length: number): Promise<number>;
  close(): Promise<void>;
}

/** A way to read a disk. */
export interface FileAccess {
  open(path: string): Promise<OpenedFile>;
  lstat(path: string): Promise<BigIntStats>;
  realpath(path: string): Promise<string>;
}

/** Milliseconds of one operation after which nothing waits for a disk, and for how many. */
const slowMs = 4;
const pauseMs = 5000;

/**
 * Returns a function that gives the way to read files which were looked at a moment ago. The system
 * has their names and sizes in memory then, and is asked for them while all else waits: in another
 * thread that takes four times the work, and a turn of the event loop. Contents may have to come
 * from the disk, so they are read in another thread. After one slow operation all is, for some
 * seconds.
 */
export function fileAccess(modules: DiskModules, clock: StoreClock): () => FileAccess {
  let slowUntil = Number.NEGATIVE_INFINITY;
  const timed = <T>(operation: () => T): T => {
    const start = clock.now();
    try {
      return operation();
    } finally {
      const end = clock.now();
      if (end - start > slowMs) slowUntil = end + pauseMs;
    }
  };
  const waiting = waitingAccess(modules, timed);
  const beside = besideAccess(modules);
  return () => (clock.now() >= slowUntil ? waiting : beside);
}

/** Opening a pipe would wait for its writer. */
const flagsOf = ({ constants }: DiskModules): number => constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/** Asks while all else waits: the answers are there when the promises are, but for contents. */
function waitingAccess(modules: DiskModules, timed: <T>(operation: () => T) => T): FileAccess {
  const { fsSync: fs } = modules;
  return {
    open: async (path) => {
      const file = timed(() => fs.openSync(path, flagsOf(modules)));
      return {
        stat: async () => timed(() => fs.fstatSync(file, { bigint: true })),
        read: (bytes, at, length) =>
          new Promise((resolve, reject) => {
            fs.read(file, bytes, at, length, at, (error, count) => (error ? reject(error) : resolve(count)));
          }),
        close: async () => timed(() => fs.closeSync(file)),
      };
    },
    lstat: async (path) => timed(() => fs.lstatSync(path, { bigint: true })),
    realpath: async (path) => timed(() => fs.realpathSync.native(path)),
  };
}

/** Asks and reads in other threads, beside all else. */
function besideAccess(modules: DiskModules): FileAccess {
  const { fs } = modules;
  return {
    open: async (path) => {
      const file = await fs.open(path, flagsOf(modules));
      return {
        stat: () => file.stat({ bigint: true }),
        read: async (bytes, at, length) => (await file.read(bytes, at, length, at)).bytesRead,
        close: () => file.close(),
      };
    },
    lstat: (path) => fs.lstat(path, { bigint: true }),
    realpath: (path) => fs.realpath(path),
  };
}
