import { readFile, rm, rmdir, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname, join, resolve } from "node:path";
import { isAlive, makeFolder, startOfProcess } from "@lowrank/files/disk";

/** The file in a run's folder that names the process at work there. */
export const lockName = "run.lock";

/** A process, told from a later one of the same number by when it started. */
interface Holder {
  readonly pid: number;
  readonly host: string;
  /** The start of the process in ticks since that of the machine; null where none can be had. */
  readonly started: number | null;
  /** For people. */
  readonly since: string;
  /** Tells two runs of one process apart. */
  readonly run?: string;
}

async function isAtWork({ pid, host, started }: Holder): Promise<boolean> {
  if (host !== hostname()) return true;
  return isAlive(pid) && startOfProcess(pid) === started;
}

/** Milliseconds in which a process writes its lock, and sees whether another took it away. */
const moment = 100;

/** Reads a lock after some time; null for one that is not there, or is no lock. */
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
 * Writes a lock where there is none. Returns true if it still stands a moment later: of two that
 * find a lock of a dead process, one may take away what the other has just written.
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
 * Makes a run's folder and takes it for this process, before anything is loaded. Throws where
 * nothing can be written there, and where another process is at work, by its name. One that was
 * killed holds nothing any more. Returns what gives the folder back, and removes one that was made
 * for nothing.
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

/** Removes folders from the inner to the outer one, as far as they hold nothing. */
async function removeEmpty(inner: string, outer: string): Promise<void> {
  try {
    for (let path = inner; path.startsWith(outer); path = dirname(path)) await rmdir(path);
  } catch {
    // It holds something.
  }
}

class RunningError extends Error {
  constructor(folder: string, path: string, { pid, host, since }: Holder) {
    const elsewhere = host !== hostname();
    const advice = elsewhere ? `, or delete ${path} if it runs no more` : "";
    super(
      `--output ${folder} is in use: process ${pid}${elsewhere ? ` on ${host}` : ""} trains there since ${since}; wait for it, or give another folder${advice}`,
    );
  }
}
