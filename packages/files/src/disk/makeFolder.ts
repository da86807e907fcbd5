import { nodeModules, undefinedIfMissing } from "./nodeModules.ts";

/**
 * Creates a folder on disk (Node only), and its missing parents. Returns the outermost created folder; undefined if the
 * folder existed. The error of a failure has the code of its cause (such as EROFS for a read-only disk, for which Node
 * reports ENOENT).
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
