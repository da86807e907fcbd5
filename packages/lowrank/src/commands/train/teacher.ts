import { createHash } from "node:crypto";
import type { CausalLM } from "@lowrank/models";
import { loadModel } from "../../load/loadModel.ts";
import { digestModel } from "./files/fileDigests.ts";
import type { TrainCommandOptions } from "./train.ts";
import type { TrainReporter } from "./view/trainReporter.ts";

/** Teacher model of a distillation, whose next-token distributions the student learns. */
export interface Teacher {
  readonly model: CausalLM;
  /** Digest of the files of the teacher model. */
  readonly digest: string;
}

/** Loads the teacher of a run on its student's backend; null without `--teacher`. */
export async function loadTeacher(options: TrainCommandOptions, voice: TrainReporter): Promise<Teacher | null> {
  const { teacher, weights } = options;
  if (teacher === undefined) return null;
  voice.note(`loading ${teacher}`);
  // Uses the backend that was started for the student.
  const { model } = await loadModel(teacher, weights === "packed" ? { weights } : { dtype: weights });
  model.setRequiresGrad(false);
  model.eval();
  const hash = createHash("sha256");
  for (const { sha256 } of await digestModel(teacher)) hash.update(sha256);
  return {
    model,
    digest: hash
      .update(teacher.includes("://") ? teacher : "")
      .digest("hex")
      .slice(0, 16),
  };
}
