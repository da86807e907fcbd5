import { loadDataset } from "@lowrank/train";
import type { Attempt } from "./attempt.ts";

/** Reads all examples of a data file. */
export const dataset: Attempt = async ({ files, name, accepted }) => {
  await loadDataset(name, { files });
  accepted();
};
