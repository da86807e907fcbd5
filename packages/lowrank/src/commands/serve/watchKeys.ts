import { unwatchFile, watchFile } from "node:fs";
import type { LiveKeys, ServingLogger } from "@lowrank/serve/http";
import { readKeys } from "./serveSettings.ts";

/**
 * Reads the key file again when it changes. If the file is invalid or missing, the old keys stay in use and the log
 * gets an error. Returns a function that stops watching.
 *
 * @param intervalMs Milliseconds between checks of the file for changes.
 */
export function watchKeys(file: string, keys: LiveKeys, logger: ServingLogger, intervalMs = 1000): () => void {
  const reload = async () => {
    try {
      const next = await readKeys(file);
      const before = keys.keys;
      keys.replace(next);
      const without = (some: typeof next, others: typeof next) =>
        some.filter(({ sha256 }) => !others.some((other) => other.sha256 === sha256)).map(({ id }) => id);
      const fields = { keys: next.length, added: without(next, before), removed: without(before, next) };
      logger.info(fields, "the keys were read again");
    } catch (error) {
      logger.error({ file, reason: (error as Error).message }, "the keys were not changed: their file is broken");
    }
  };
  // Polling the file's times also works for renames, symbolic links and network disks.
  const listener = () => void reload();
  watchFile(file, { interval: intervalMs, persistent: false }, listener);
  return () => unwatchFile(file, listener);
}
