import { scope } from "@lowrank/core";
import { PeftModel } from "@lowrank/peft";
import { tinyBatch } from "@lowrank/peft/testing";
import { loadDataset } from "@lowrank/train";
import { baseOf } from "../samples/adapters.ts";
import { adapterTrainer, modelTrainer } from "../samples/tinyTrainers.ts";
import type { Attempt } from "./attempt.ts";
import { classifier, gguf, model, tokenizer } from "./models.ts";

/** Loads an adapter's folder onto its model and runs it. */
const adapter: Attempt = async ({ files, name, accepted }) => {
  const base = baseOf(name);
  const peft = await PeftModel.fromPretrained(base, files, { onWarning: () => {} });
  accepted();
  const { logits } = scope(() => peft.forward(tinyBatch()));
  await logits.data();
  logits.dispose();
};

/** Resumes training from a checkpoint and finishes it. */
const checkpoint: Attempt = async ({ files, name, accepted }) => {
  const trainer = await (name === "adapter" ? adapterTrainer() : modelTrainer());
  await trainer.resume(files);
  accepted();
  await trainer.train();
};

/** Reads all examples of a data file. */
const dataset: Attempt = async ({ files, name, accepted }) => {
  await loadDataset(name, { files });
  accepted();
};

/** The attempts to read files, by the name that samples use. */
export const attempts: Readonly<Record<string, Attempt>> = {
  adapter,
  checkpoint,
  classifier,
  dataset,
  gguf,
  model,
  tokenizer,
};
