import type { FileContent } from "../interface/modelFiles.ts";

/**
 * Returns the error of a failed write with the place: of a disk without room with the bytes too,
 * and other errors of the system that name no place.
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
