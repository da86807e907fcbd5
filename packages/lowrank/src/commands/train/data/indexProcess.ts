// Child process that builds the index of a data file, so that its memory is freed afterwards.
import { indexDataset } from "@lowrank/train";
import { inFlags } from "../../../cli/inFlags.ts";
import { trainFlag } from "../../../cli/options/trainFlags.ts";
import { guardOutput } from "../../../cli/process/guardOutput.ts";
import { findTask } from "../tasks/index.ts";
import type { RecordsOf } from "./indexAside.ts";

type Order = { path: string; settings: Parameters<typeof indexDataset>[1]; records: RecordsOf };

guardOutput();
process.once("message", async ({ path, settings, records: { task, labels } }: Order) => {
  const onProgress = (progress: object) => void process.send?.({ progress });
  const form = findTask(task).form(labels);
  const error = await indexDataset(path, { ...settings, form, onProgress }).then(
    () => null,
    (failure: Error) => inFlags(failure, trainFlag),
  );
  process.send?.({ done: true, error }, () => process.disconnect());
});
