import { checkOptions } from "@lowrank/core/internal";
import { diskPath, nodeModules, undefinedIfMissing } from "./nodeModules.ts";

/**
 * Temporary names. A file or folder is written as `<name>.<id>.part` next to its final path. An existing one that it
 * replaces is renamed to `<name>.<id>.old`. The id identifies the process that writes. So the leftovers of a killed
 * process can be removed, and the files of running processes kept.
 */

/** A temporary name, split into its parts. */
export interface TemporaryName {
  /** The final name, shortened if it is long. */
  readonly name: string;
  /** The id of the write. One write may include several files. */
  readonly id: string;
  readonly kind: "part" | "old";
}

/**
 * Matches a temporary name. The id in it consists of the host, the process id, the process's start time, and 8 random
 * digits.
 */
const pattern = /^(.+)\.([0-9a-f]{4}-[0-9a-z]+-[0-9a-z]+-[0-9a-f]{8})\.(part|old)$/;

/** Splits a temporary name into its parts. Returns null for any other name. */
export function parseTemporaryName(name: string): TemporaryName | null {
  const [, of, id, kind] = pattern.exec(name) ?? [];
  return of === undefined ? null : { name: of, id, kind: kind as "part" | "old" };
}

/** Maximum length of a file name in bytes on common file systems. */
const mostBytes = 255;

/** Returns a new id for a write by this process. */
export function writingId(): string {
  own ??= `${hostDigits()}-${process.pid.toString(36)}-${(startOfProcess("self") ?? 0).toString(36)}`;
  return `${own}-${crypto.randomUUID().slice(0, 8)}`;
}

let own: string | undefined;

/**
 * Returns a temporary name for a file: "part" for the new content, "old" for the previous content that it replaces. The
 * name is shortened to the length that file systems allow.
 */
export function temporaryName(name: string, id: string, kind: "part" | "old"): string {
  const ending = `.${id}.${kind}`;
  return `${shortened(name, mostBytes - ending.length)}${ending}`;
}

/**
 * Returns the id of the process that writes the file or folder at the temporary path; null if this process has ended.
 */
export async function writerOf(path: string): Promise<number | null> {
  const { fs, path: paths } = nodeModules(path);
  const found = parseTemporaryName(paths.basename(path));
  if (!found) return null;
  const { id } = found;
  const [, pid, start] = id.split("-");
  const writer = Number.parseInt(pid, 36);
  if (id.startsWith(`${hostDigits()}-`)) {
    return isAlive(writer) && (startOfProcess(writer) ?? 0).toString(36) === start ? writer : null;
  }
  // A process on another machine cannot be checked directly. It counts as running if it changed the file or folder
  // recently.
  const stats = await fs.stat(path).catch(undefinedIfMissing);
  return stats && Date.now() - stats.mtimeMs < otherHostMs ? writer : null;
}

/**
 * Milliseconds (24 hours) after which a process on another machine counts as ended. The time starts at the last change
 * of the file or folder that the process writes.
 */
const otherHostMs = 24 * 3600 * 1000;

/** Options of `removeLeftovers`. */
export interface RemoveLeftoversOptions {
  /** Removes only leftovers of the file or folder with this name. Default: all leftovers. */
  readonly of?: string;
  /** Also removes leftovers in subfolders. Default: false. */
  readonly recursive?: boolean;
}

/**
 * Removes temporary files of killed processes from a folder on disk (Node only). Files of running processes stay.
 * Returns the removed paths.
 */
export async function removeLeftovers(folder: string | URL, options: RemoveLeftoversOptions = {}): Promise<string[]> {
  checkOptions<RemoveLeftoversOptions>("removeLeftovers", options, { of: true, recursive: true });
  const { of, recursive = false } = options;
  const node = nodeModules(folder);
  const path = diskPath(folder, node);
  const removed: string[] = [];
  for (const entry of (await node.fs.readdir(path, { withFileTypes: true }).catch(undefinedIfMissing)) ?? []) {
    const inner = node.path.join(path, entry.name);
    if (isTemporaryOf(entry.name, of)) {
      if ((await writerOf(inner)) !== null) continue;
      await node.fs.rm(inner, { recursive: true, force: true });
      removed.push(inner);
    } else if (recursive && entry.isDirectory()) {
      removed.push(...(await removeLeftovers(inner, { of, recursive })));
    }
  }
  return removed;
}

/**
 * Returns true if `name` is a temporary name. If `of` is given, it must also be the temporary name of the file or
 * folder that is named `of`.
 */
export function isTemporaryOf(name: string, of?: string): boolean {
  const found = parseTemporaryName(name);
  return found !== null && (of === undefined || temporaryName(of, found.id, found.kind) === name);
}

/**
 * Returns the name unchanged if it has at most `most` bytes. Otherwise returns its beginning and a hash of the whole
 * name.
 */
function shortened(name: string, most: number): string {
  const bytes = new TextEncoder().encode(name);
  if (bytes.length <= most) return name;
  const ending = `~${fnv1a(bytes).toString(16).padStart(8, "0")}`;
  let length = most - ending.length;
  // Do not cut within a UTF-8 character.
  while ((bytes[length] & 0xc0) === 0x80) length--;
  return `${new TextDecoder().decode(bytes.subarray(0, length))}${ending}`;
}

/** Returns the 32-bit FNV-1a hash of bytes. */
function fnv1a(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}

/** Returns four hexadecimal digits derived from this machine's name. */
function hostDigits(): string {
  const { hostname } = builtin("node:os");
  return fnv1a(new TextEncoder().encode(hostname())).toString(16).padStart(8, "0").slice(0, 4);
}

/**
 * Returns the start time of a process, in ticks since boot (field 22 of /proc/PID/stat). Null for a process that has
 * ended, and on systems without /proc.
 */
export function startOfProcess(pid: number | "self"): number | null {
  try {
    const line = builtin("node:fs").readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the program's name in parentheses, which may contain any characters.
    const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
    return ["Z", "X"].includes(fields[0]) ? null : Number(fields[19]);
  } catch {
    return null;
  }
}

/** Returns true if a process with this id is running, under any user. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

const builtin = ((name: never) => process.getBuiltinModule(name)) as typeof process.getBuiltinModule;
