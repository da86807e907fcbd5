import { rmSync } from "node:fs";
import { cp, link, lstat, readdir, realpath, rename, rm, rmdir } from "node:fs/promises";
import { constants } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import {
  isTemporaryOf,
  makeFolder,
  parseTemporaryName,
  removeLeftovers,
  temporaryName,
  writerOf,
  writingId,
} from "@lowrank/files/internal/disk";
import { Option } from "commander";
import { isGguf } from "../loading/loading.ts";

/** Options of commands that write a new folder or file. */
export interface NewOutputOptions {
  output: string;
  /** Replaces an existing output. Default false. */
  overwrite?: boolean;
}

/** Folder or file that a command writes. */
export interface NewOutput {
  /** An empty folder to write to, under a temporary name next to the output. */
  readonly folder: string;
  /** Moves the folder, or the named file in it, to the output's path. */
  place(file?: string): Promise<void>;
}

/**
 * Runs `work`, which fills a temporary folder and moves it to `--output` when it is complete. Until then the output is
 * unchanged. Throws before `work` in three cases: the output is not empty and `--overwrite` is missing, another process
 * is writing to the output, or the disk cannot be written to. If `work` throws, or a signal ends the process, the
 * temporary folder is removed.
 */
export async function withNewOutput<T>(options: NewOutputOptions, work: (output: NewOutput) => Promise<T>): Promise<T> {
  const { output, overwrite = false } = options;
  // A symbolic link stays; the folder that it points to is replaced.
  const path = await realpath(output).catch(() => resolve(output));
  await restoreMoved(path);
  await removeLeftovers(dirname(path), { of: basename(path) });
  await checkNew(output, path, overwrite);
  const id = writingId();
  const part = join(dirname(path), temporaryName(basename(path), id, "part"));
  const old = join(dirname(path), temporaryName(basename(path), id, "old"));
  // A signal can arrive as soon as the folder exists.
  const restoreSignals = endOnSignal(() => rmSync(part, { recursive: true, force: true }));
  try {
    await makeFolder(part);
  } catch (error) {
    restoreSignals();
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Error(
      `--output ${output} cannot be written to (${code ?? message}); give a writable folder on a disk with room`,
      {
        cause: error,
      },
    );
  }
  try {
    return await work({
      folder: part,
      place: async (file) => {
        const whole = file === undefined ? part : join(part, file);
        try {
          if (overwrite) await replace(whole, path, old);
          else await (file === undefined ? placeFolder(part, path) : placeFile(whole, path));
        } catch (error) {
          if (!taken.includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
          throw new Error(`--output ${output} was written by another process while this command ran; ${advice}`, {
            cause: error,
          });
        }
      },
    });
  } finally {
    restoreSignals();
    await rm(part, { recursive: true, force: true });
  }
}

const advice = "give another name, or --overwrite";

/** Error codes that mean that a path exists already. */
const taken: readonly string[] = ["EEXIST", "ENOTEMPTY", "ENOTDIR", "EISDIR"];

/**
 * Restores an old output if a process was killed after it had moved the old output away and before it had moved the new
 * one to `path`.
 */
async function restoreMoved(path: string): Promise<void> {
  if (await lstat(path).catch(() => null)) return;
  const around = dirname(path);
  for (const name of await readdir(around).catch(() => [])) {
    if (!isTemporaryOf(name, basename(path)) || parseTemporaryName(name)?.kind !== "old") continue;
    if ((await writerOf(join(around, name))) === null) return rename(join(around, name), path);
  }
}

async function checkNew(output: string, path: string, overwrite: boolean): Promise<void> {
  for (const name of await readdir(dirname(path)).catch(() => [])) {
    const writer = isTemporaryOf(name, basename(path)) ? await writerOf(join(dirname(path), name)) : null;
    if (writer !== null) {
      throw new Error(`--output ${output} is being written by process ${writer}; wait for it, or give another name`);
    }
  }
  const found = await lstat(path).catch(() => null);
  if (!found) return;
  if (isGguf(output) && found.isDirectory()) throw new Error(`--output ${output} is a folder; give a new file`);
  if (!found.isDirectory()) {
    if (!overwrite) throw new Error(`--output ${output} exists; ${advice}`);
    return;
  }
  const names = await readdir(path);
  if (names.length === 0) return;
  const held = `(it holds ${names.slice(0, 5).join(", ")})`;
  if (!overwrite) throw new Error(`--output ${output} is not empty ${held}; give another folder, or --overwrite`);
  if (names.includes("config.json") || names.includes("adapter_config.json")) return;
  throw new Error(
    `--overwrite replaces only folders with a model or an adapter, and --output ${output} has neither ${held}; empty it first`,
  );
}

/**
 * Replaces the folder or file at `path` by `whole`. The existing one is renamed to `old`, and removed once the new one
 * is at `path`.
 */
async function replace(whole: string, path: string, old: string): Promise<void> {
  const existed = await rename(path, old).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return false;
      throw error;
    },
  );
  try {
    await rename(whole, path);
  } catch (error) {
    if (existed) await rename(old, path);
    throw error;
  }
  await rm(old, { recursive: true, force: true });
}

/** Renames a finished folder to its final path, which must be absent or an empty folder. */
async function placeFolder(part: string, path: string): Promise<void> {
  try {
    await rmdir(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // The folder is a mount point, which cannot be removed.
    if (code === "EBUSY") return copyInto(part, path);
    if (code !== "ENOENT") throw error;
  }
  await rename(part, path);
}

/** Copies files into a folder. Files that mark the folder as complete are copied last. */
async function copyInto(part: string, path: string): Promise<void> {
  const isSeal = (name: string) => name === "config.json" || name === "adapter_config.json";
  const names = await readdir(part);
  for (const name of names.toSorted((a, b) => Number(isSeal(a)) - Number(isSeal(b)))) {
    await cp(join(part, name), join(path, name), { recursive: true, errorOnExist: true, force: false });
  }
}

/**
 * Moves a finished file to its final path, which must be absent. Uses a hard link, since a rename would overwrite an
 * existing file.
 */
async function placeFile(file: string, path: string): Promise<void> {
  try {
    await link(file, path);
  } catch (error) {
    // Some file systems lack hard links.
    if (!["EPERM", "ENOTSUP", "ENOSYS", "EMLINK"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    await rename(file, path);
  }
}

/** Runs `clean` and ends the process when a signal arrives. Returns a function that removes the signal handlers. */
function endOnSignal(clean: () => void): () => void {
  const end = (signal: NodeJS.Signals) => {
    clean();
    process.exit(128 + constants.signals[signal]);
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) process.on(signal, end);
  return () => {
    for (const signal of signals) process.off(signal, end);
  };
}

/** Returns the `--overwrite` option of commands that write a model or an adapter. */
export function overwriteOption(): Option {
  return new Option("--overwrite", "replace the model or adapter that --output holds");
}
