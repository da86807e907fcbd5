/**
 * Returns undefined if a file-system error means that the file is missing, as in
 * `fs.stat(path).catch(undefinedIfMissing)`. Rethrows any other error, such as missing permissions.
 */
export function undefinedIfMissing(error: { code?: string }): undefined {
  // A name that is too long cannot exist.
  if (!["ENOENT", "ENOTDIR", "ENAMETOOLONG"].includes(error.code ?? "")) throw error;
  return undefined;
}
