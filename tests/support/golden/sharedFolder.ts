import { existsSync } from "node:fs";
import { join } from "node:path";

/** Reference results of PyTorch, transformers and PEFT that the repository contains. */
export const goldenFolder: string = join(import.meta.dirname, "../../../golden");

/** The folder of models and data sets that are not part of the repository: $LOWRANK_SHARED, or else ../shared. */
const sharedFolder: string = process.env.LOWRANK_SHARED ?? join(import.meta.dirname, "../../../../shared");

/**
 * Returns a path in the shared folder. If it is absent, prints a notice that names what is skipped and returns
 * undefined.
 */
export function sharedPath(path: string, what: string): string | undefined {
  const full = join(sharedFolder, path);
  if (existsSync(full)) return full;
  console.log(`skipped: ${what} (${path} is not in the shared folder; set LOWRANK_SHARED)`);
  return undefined;
}
