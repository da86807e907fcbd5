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

/**
 * Bytes up to which files are read while all else waits: 0.1 ms from a disk's cache. In other
 * threads it takes four times the work, and a turn of the event loop for each operation.
 */
const mostBytes = 1 << 18;

/** Milliseconds of one operation after which nothing waits for a disk, and for how many. */
const slowMs = 4;
const pauseMs = 5000;

/**
 * Returns a function that chooses how to read files of so many bytes in all. Small ones are read
 * while all else waits, from a disk that is quick. After one slow operation all are read beside
 * other work for some seconds.
 */
export function fileAccess(modules: DiskModules, clock: StoreClock): (bytes: number) => FileAccess {
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
  return (bytes) => (bytes <= mostBytes && clock.now() >= slowUntil ? waiting : beside);
}

/** Opening a pipe would wait for its writer. */
const flagsOf = ({ constants }: DiskModules): number => constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/** Reads while all else waits: the answers are there when the promises are. */
function waitingAccess(modules: DiskModules, timed: <T>(operation: () => T) => T): FileAccess {
  const { fsSync: fs } = modules;
  return {
    open: async (path) => {
      const file = timed(() => fs.openSync(path, flagsOf(modules)));
      return {
        stat: async () => timed(() => fs.fstatSync(file, { bigint: true })),
        read: async (bytes, at, length) => timed(() => fs.readSync(file, bytes, at, length, at)),
        close: async () => timed(() => fs.closeSync(file)),
      };
    },
    lstat: async (path) => timed(() => fs.lstatSync(path, { bigint: true })),
    realpath: async (path) => timed(() => fs.realpathSync.native(path)),
  };
}

/** Reads in other threads, beside all else. */
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
