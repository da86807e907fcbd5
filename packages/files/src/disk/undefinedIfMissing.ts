/**
 * Returns undefined for a file-system error of a missing file, as in `fs.stat(path).catch(undefinedIfMissing)`. Throws
 * any other error (permissions, a broken disk) again.
 */
export function undefinedIfMissing(error: { code?: string }): undefined {
  // A name that is too long cannot exist.
  if (!["ENOENT", "ENOTDIR", "ENAMETOOLONG"].includes(error.code ?? "")) throw error;
  return undefined;
}
