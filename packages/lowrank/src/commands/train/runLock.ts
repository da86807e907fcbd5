import { readFile, rm, rmdir, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname, join, resolve } from "node:path";
import { isAlive, makeFolder, startOfProcess } from "@lowrank/files/internal/disk";

/** Lock file in a run's folder, which names the process that writes there. */
export const lockName = "run.lock";

/** Process that holds a lock. Its start time distinguishes it from a later process with the same pid. */
interface Holder {
  readonly pid: number;
  readonly host: string;
  /** Start of the process in clock ticks after the system's start; null if the system does not provide it. */
  readonly started: number | null;
  /** Time when the lock was taken, for messages. */
  readonly since: string;
  /** Id of the run, which distinguishes two runs of one process. */
  readonly run?: string;
}

async function isAtWork({ pid, host, started }: Holder): Promise<boolean> {
  if (host !== hostname()) return true;
  return isAlive(pid) && startOfProcess(pid) === started;
}

/**
 * Milliseconds to wait before a lock file is read again. In this time another process can finish writing or removing
 * it.
 */
const moment = 100;

/** Reads a lock file after `milliseconds`. Returns null if the file is missing or does not contain a lock. */
async function readLock(path: string, milliseconds = 0): Promise<Holder | null> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  try {
    const { pid, host, started, since } = JSON.parse(await readFile(path, "utf8")) as Holder;
    return Number.isSafeInteger(pid) && typeof host === "string" ? { pid, host, started, since } : null;
  } catch {
    return null;
  }
}

/**
 * Creates the lock file with the content `text`. Returns false if the file already exists. Otherwise waits a moment,
 * and returns true if the file still contains `text`. Two processes may find the lock of a dead process at the same
 * time: the second could then remove the lock that the first has just written.
 */
async function taken(path: string, text: string): Promise<boolean> {
  try {
    await writeFile(path, text, { flag: "wx" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
  await new Promise((resolve) => setTimeout(resolve, moment));
  return (await readFile(path, "utf8").catch(() => "")) === text;
}

/**
 * Creates a run's folder and locks it for this process, before a model is loaded. Throws if the folder cannot be
 * written to. Throws an error that names the other process if a running process holds the lock. A lock of a process
 * that has died is replaced. Returns a function that unlocks the folder, and removes the folder if this call created it
 * and it is empty.
 */
export async function lockRun(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, lockName);
  const { pid } = process;
  const started = startOfProcess(pid);
  const own: Holder = { pid, host: hostname(), started, since: new Date().toISOString(), run: crypto.randomUUID() };
  const text = `${JSON.stringify(own, null, 2)}\n`;
  let made: string | undefined;
  try {
    made = await makeFolder(folder);
    while (!(await taken(path, text))) {
      const holder = (await readLock(path)) ?? (await readLock(path, moment));
      if (holder && (await isAtWork(holder))) throw new RunningError(folder, path, holder);
      await rm(path, { force: true });
    }
  } catch (error) {
    if (error instanceof RunningError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Error(
      `--output ${folder} cannot be written to (${code ?? message}); give a writable folder on a disk with room`,
      {
        cause: error,
      },
    );
  }
  return async () => {
    if ((await readFile(path, "utf8").catch(() => "")) === text) await rm(path, { force: true });
    if (made !== undefined) await removeEmpty(resolve(folder), resolve(made));
  };
}

/** Removes empty folders, from `inner` up to `outer`. */
async function removeEmpty(inner: string, outer: string): Promise<void> {
  try {
    for (let path = inner; path.startsWith(outer); path = dirname(path)) await rmdir(path);
  } catch {
    // A folder is not empty.
  }
}

class RunningError extends Error {
  constructor(folder: string, path: string, { pid, host, since }: Holder) {
    const elsewhere = host !== hostname();
    const advice = elsewhere ? `, or delete ${path} if it no longer runs` : "";
    super(
      `--output ${folder} is in use: process ${pid}${elsewhere ? ` on ${host}` : ""} trains there since ${since}; wait for it, or give another folder${advice}`,
    );
  }
}
