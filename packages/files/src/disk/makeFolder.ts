import { nodeModules } from "./nodeModules.ts";
import { undefinedIfMissing } from "./undefinedIfMissing.ts";

/**
 * Creates a folder on disk (Node only), and its missing parents. Returns the outermost folder that was created, or
 * undefined if all existed. Throws with the code of the actual cause: on a read-only disk Node's own error has the code
 * ENOENT.
 */
export async function makeFolder(path: string): Promise<string | undefined> {
  const { fs, path: paths } = nodeModules(path);
  try {
    return await fs.mkdir(path, { recursive: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    // Creating the outermost missing folder throws the error with the actual cause.
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
