// Builds the index of a data file in a process of its own, whose memory goes away with it.
import { indexDataset } from "@lowrank/train";

type Order = { path: string; settings: Parameters<typeof indexDataset>[1] };

process.once("message", async ({ path, settings }: Order) => {
  const onProgress = (progress: object) => void process.send?.({ progress });
  const error = await indexDataset(path, { ...settings, onProgress }).then(
    () => null,
    (failure: Error) => failure.message,
  );
  process.send?.({ done: true, error }, () => process.disconnect());
});
