import { adapterTrainer, modelTrainer } from "../samples/tinyTrainers.ts";
import type { Attempt } from "./attempt.ts";

/** A checkpoint: goes on from it to the end of the training. */
export const checkpoint: Attempt = async ({ files, name, accepted }) => {
  const trainer = await (name === "adapter" ? adapterTrainer() : modelTrainer());
  await trainer.resume(files);
  accepted();
  await trainer.train();
};
