import type { FileContent } from "./modelFiles.ts";

/**
 * Returns the error of a disk without room, with the place and its bytes; other errors as they are.
 */
export function fullDisk(error: unknown, path: string, content: FileContent): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code !== "ENOSPC" && code !== "EDQUOT") return error;
  const bytes = typeof content === "string" || content instanceof Uint8Array ? ` for its ${content.length} bytes` : "";
  return new Error(`${path}: no space is left on the disk${bytes}; make room, or give another folder`, {
    cause: error,
  });
}
