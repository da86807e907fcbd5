import { adapterTrainer, modelTrainer } from "../samples/tinyTrainers.ts";
import type { Attempt } from "./attempt.ts";

/** Resumes training from a checkpoint and finishes it. */
export const checkpoint: Attempt = async ({ files, name, accepted }) => {
  const trainer = await (name === "adapter" ? adapterTrainer() : modelTrainer());
  await trainer.resume(files);
  accepted();
  await trainer.train();
};
