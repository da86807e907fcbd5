import { nodeModules } from "./nodeModules.ts";
import { undefinedIfMissing } from "./undefinedIfMissing.ts";

/**
 * Makes a folder on disk (Node only), and those around it. Returns the outermost folder that was
 * made; undefined if all were there. Throws with the code of what forbids it: for a new folder on
 * a read-only disk Node's own error says ENOENT.
 */
export async function makeFolder(path: string): Promise<string | undefined> {
  const { fs, path: paths } = nodeModules(path);
  try {
    return await fs.mkdir(path, { recursive: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    // The outermost folder that is missing names the cause.
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
