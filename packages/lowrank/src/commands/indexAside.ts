import { Worker } from "node:worker_threads";
import type { indexDataset } from "@lowrank/train";

type Settings = Parameters<typeof indexDataset>[1];

/** Runs `indexDataset` in a thread of its own, whose memory goes away with it. */
export function indexAside(path: string, { onProgress, ...settings }: Settings): Promise<void> {
  const script = new URL(`./indexWorker${import.meta.filename.slice(-3)}`, import.meta.url);
  const worker = new Worker(script, { workerData: { path, settings } });
  worker.on("message", (done) => onProgress?.(done));
  return new Promise((resolve, reject) => {
    worker.once("error", reject);
    worker.once("exit", () => resolve());
  });
}
