import { fork } from "node:child_process";
import type { indexDataset } from "@lowrank/train";

type Settings = Omit<Parameters<typeof indexDataset>[1], "form">;

/** Training task whose record format is used to index a data file, and the task's labels. */
export interface RecordsOf {
  readonly task: string;
  readonly labels: readonly string[];
}

/**
 * Message from the child process: its progress or, at the end, `done`. `error` is then the error message, or null if
 * indexing succeeded.
 */
interface Message {
  readonly progress?: { loaded: number; total: number };
  readonly done?: true;
  readonly error?: string | null;
}

/**
 * Runs `indexDataset` in a child process, so that the memory for indexing is freed afterwards. Rejects with the child's
 * error, or if the child ends before the index is complete.
 */
export function indexAside(path: string, { onProgress, ...settings }: Settings, records: RecordsOf): Promise<void> {
  const child = fork(new URL(`./indexProcess${import.meta.filename.slice(-3)}`, import.meta.url));
  return new Promise((resolve, reject) => {
    child.on("message", ({ progress, done, error }: Message) => {
      if (progress) onProgress?.(progress);
      if (done && error == null) resolve();
      else if (done) reject(new Error(error ?? ""));
    });
    child.once("error", reject);
    child.once("exit", (code, signal) => reject(new Error(`the index of ${path} was not built: ${signal ?? code}`)));
    child.send({ path, settings, records });
  });
}
