import { realpath, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";

/**
 * Throws if the output `folder` is a file, or is the same folder as `read`, from which the model or adapter is loaded.
 * `what` ("model" or "adapter") describes `read` in the message.
 */
export async function checkOutput(folder: string, read: string, what = "model"): Promise<void> {
  if ((await realPlace(folder)) === (await realPlace(read))) {
    throw new Error(`--output ${folder} is the ${what}'s own folder; give another one`);
  }
  const found = await stat(folder).catch(() => undefined);
  if (found && !found.isDirectory()) throw new Error(`--output ${folder} is a file; give a folder`);
}

/** Resolves symbolic links in the part of a path that exists, and appends the rest. */
async function realPlace(path: string): Promise<string> {
  const whole = resolve(path);
  const up = dirname(whole);
  return realpath(whole).catch(async () => (up === whole ? whole : join(await realPlace(up), basename(whole))));
}

/** Quotes a word for a shell if it needs quotes. */
export function shellWord(text: string): string {
  return /^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
