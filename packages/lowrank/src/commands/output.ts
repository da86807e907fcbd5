import { readdir, realpath, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";

/** Throws where `folder` cannot be written to: it is a file, or the model that is read. */
export async function checkOutput(folder: string, model: string): Promise<void> {
  if ((await realPlace(folder)) === (await realPlace(model))) {
    throw new Error(`--output ${folder} is the model's own folder; give another one`);
  }
  const found = await stat(folder).catch(() => undefined);
  if (found && !found.isDirectory()) throw new Error(`--output ${folder} is a file; give a folder`);
}

/** The path without symbolic links, of what is there and of what is not yet. */
async function realPlace(path: string): Promise<string> {
  const whole = resolve(path);
  const up = dirname(whole);
  return realpath(whole).catch(async () => (up === whole ? whole : join(await realPlace(up), basename(whole))));
}

/** Throws where `folder` already holds something. */
export async function checkEmpty(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  if (names.length > 0) {
    throw new Error(`--output ${folder} is not empty (it holds ${names.slice(0, 5).join(", ")}); give another folder`);
  }
}

/** A word as a shell reads it back. */
export function shellWord(text: string): string {
  return /^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
