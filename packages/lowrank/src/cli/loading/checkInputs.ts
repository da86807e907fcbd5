import { stat } from "node:fs/promises";
import { openFiles } from "@lowrank/files";

/** Returns true for an address such as `hf://org/name`. */
const isRemote = (place: string): boolean => /^\w+:\/\//.test(place);

/** Throws if a file on disk does not exist. Runs before a model is loaded. Addresses such as `hf://` are skipped. */
export async function checkFilesExist(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    if (isRemote(path)) continue;
    if (!(await stat(path).catch(() => undefined))) throw new Error(`there is no file ${path}`);
  }
}

/** Throws if the folder of `--resume` does not exist. Runs before a model is loaded. */
export async function checkResumeExists(folder: string | undefined): Promise<void> {
  if (folder === undefined) return;
  const found = await stat(folder).catch(() => undefined);
  if (found?.isDirectory()) return;
  const problem = found ? `${folder} is a file` : `there is no folder ${folder}`;
  throw new Error(`${problem}; --resume takes the folder of a stopped run, or a checkpoint in it`);
}

/**
 * Throws if an adapter's folder on disk does not exist or lacks `adapter_config.json`. Runs before the model is
 * loaded. Addresses such as `hf://` are skipped.
 */
export async function checkAdaptersExist(folders: readonly string[]): Promise<void> {
  for (const folder of folders) {
    if (!isRemote(folder)) await (await openFiles(folder)).readText("adapter_config.json");
  }
}
