import { fileURLToPath } from "node:url";
import { nanoModelFolder } from "@lowrank/nano";
import type { FineTuneJob, StoredFile } from "@lowrank/serve/jobs";
import type { ServedLimits } from "../checkOrder.ts";

/** A training file of 100 lines. */
export const file: StoredFile = {
  ...{ id: "file-1", bytes: 2000, createdAt: 0, filename: "a.jsonl", purpose: "fine-tune", lines: 100, slot: null },
};

/** Returns a job with these options, otherwise with usual values. */
export function orderOf(
  options: FineTuneJob["options"],
  hyperparameters: FineTuneJob["hyperparameters"] = {},
): FineTuneJob {
  return {
    ...{ id: "ftjob-1", owner: "red", createdAt: 0, model: "nano", name: "ft:nano:red::1", served: true },
    ...{ trainingFile: "file-1", validationFile: null, method: "supervised", seed: 1, suffix: null },
    ...{ metadata: null, priority: 0, limits: null, options, hyperparameters },
  };
}

/** A server's usual limits. */
export const usual: ServedLimits = { model: fileURLToPath(nanoModelFolder), adapterMemory: 256e6 };
