// Apart from writeToDisk.ts, whose types need the types of Node: users of the internal entry may have none.
import type { FileContent } from "../interface/modelFiles.ts";

/**
 * Returns the error to throw for a failed write. For a full disk, the error names the path and the content's size.
 * Other system errors get the path added if they lack one. All other errors are returned unchanged.
 */
export function fullDisk(error: unknown, path: string, content: FileContent): unknown {
  const { code, syscall, path: named, message } = error as NodeJS.ErrnoException;
  if (code !== "ENOSPC" && code !== "EDQUOT") {
    return syscall === undefined || named !== undefined ? error : new Error(`${path}: ${message}`, { cause: error });
  }
  const bytes = typeof content === "string" || content instanceof Uint8Array ? ` for its ${content.length} bytes` : "";
  return new Error(`${path}: no space is left on the disk${bytes}; make room, or give another folder`, {
    cause: error,
  });
}
