import type { FileContent } from "../interface/modelFiles.ts";

/**
 * Returns the error to throw for a failed write: with the path added, and for a full disk also the size of the content.
 * An error that already names a path is returned unchanged.
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
