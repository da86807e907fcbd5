import { nodeModules, undefinedIfMissing } from "./nodeModules.ts";

/**
 * Creates a folder on disk (Node only), and its missing parents. Returns the outermost created folder; undefined if the
 * folder existed. If it fails, the error has the code of the actual cause. For example, the code is EROFS on a
 * read-only disk, although Node reports ENOENT for it.
 */
export async function makeFolder(path: string): Promise<string | undefined> {
  const { fs, path: paths } = nodeModules(path);
  try {
    return await fs.mkdir(path, { recursive: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    // Creating only the outermost missing folder fails with the error of the actual cause.
    let missing = paths.resolve(path);
    for (;;) {
      const around = paths.dirname(missing);
      if (around === missing || (await fs.stat(around).catch(undefinedIfMissing))) break;
      missing = around;
    }
    await fs.mkdir(missing);
    return (await fs.mkdir(path, { recursive: true })) ?? missing;
  }
}
