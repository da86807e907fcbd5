import type { BigIntStats } from "node:fs";
import type { DiskModules } from "./diskFolder.ts";
import type { StoreClock } from "./storeClock.ts";

/** File that has been opened for reading. */
interface OpenedFile {
  stat(): Promise<BigIntStats>;
  /**
   * Reads at most `length` bytes at offset `at` of the file. Writes them to `bytes` at the same offset, `at`. Returns
   * the number of bytes read.
   */
  read(bytes: Uint8Array, at: number, length: number): Promise<number>;
  close(): Promise<void>;
}

/** File operations for reading. */
export interface FileAccess {
  open(path: string): Promise<OpenedFile>;
  lstat(path: string): Promise<BigIntStats>;
  realpath(path: string): Promise<string>;
}

/**
 * Maximum number of milliseconds of a fast file operation. After a slower operation, files are accessed asynchronously
 * for `pauseMs`.
 */
const slowMs = 4;
/** Milliseconds for which the disk is accessed asynchronously after a slow operation. */
const pauseMs = 5000;

/**
 * Returns a function that selects synchronous or asynchronous file operations. It is meant for recently listed files,
 * whose names and sizes are in the system's cache. Synchronous operations are then faster: an asynchronous one takes
 * about four times the CPU time, and a turn of the event loop. Contents are always read asynchronously, since they may
 * come from the disk. After a slow operation, all operations are asynchronous for some seconds.
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

/**
 * Returns the flags for opening a file. They include O_NONBLOCK, since opening a pipe would otherwise wait for its
 * writer.
 */
const flagsOf = ({ constants }: DiskModules): number => constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/**
 * Returns file operations that run synchronously and block this thread, except that contents are read asynchronously.
 * `timed` runs a synchronous operation and measures its duration.
 */
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

/** Returns file operations that all run in Node's thread pool. */
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
