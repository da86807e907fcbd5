/**
 * Answers a failure of Node's file system with undefined where a file is missing, as in
 * `fs.stat(path).catch(absent)`. Any other failure (permissions, a broken disk) stays an error.
 */
export function undefinedIfMissing(error: { code?: string }): undefined {
  // No file has a name that is too long for one.
  if (!["ENOENT", "ENOTDIR", "ENAMETOOLONG"].includes(error.code ?? "")) throw error;
  return undefined;
}
