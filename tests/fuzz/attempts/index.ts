import { adapter } from "./adapter.ts";
import type { Attempt } from "./attempt.ts";
import { checkpoint } from "./checkpoint.ts";
import { dataset } from "./dataset.ts";
import { classifier, gguf, model } from "./models.ts";
import { tokenizer } from "./tokenizer.ts";

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
