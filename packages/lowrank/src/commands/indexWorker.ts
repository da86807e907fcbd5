// Builds the index of a data file in a thread of its own, whose memory goes away with it.
import { parentPort, workerData } from "node:worker_threads";
import { indexDataset } from "@lowrank/train";

const { path, settings } = workerData as { path: string; settings: Parameters<typeof indexDataset>[1] };
await indexDataset(path, { ...settings, onProgress: (done) => parentPort?.postMessage(done) });
