import { loadDataset } from "@lowrank/train";
import type { Attempt } from "./attempt.ts";

/** A data file: reads all its examples. */
export const dataset: Attempt = async ({ files, name, accepted }) => {
  await loadDataset(name, { files });
  accepted();
};
