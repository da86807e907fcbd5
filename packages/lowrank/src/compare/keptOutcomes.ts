import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeFile } from "@lowrank/files/internal";
import type { Job, Outcome } from "./job.ts";

const fileOf = (folder: string, { method, size, seed }: Job): string => {
  const name = size === undefined ? method : `${method}-${size.flag}-${size.value}`;
  return join(folder, "runs", `${name}-${seed}.json`);
};

/**
 * Reads the outcomes that an earlier command saved in a folder, one for each job. The entry of a job without a saved
 * outcome is null. Throws if the saved outcome is from a job with the same method, size and seed, but other settings.
 * Reads the files in order, so that the error always names the first such file.
 */
export async function keptOutcomes(folder: string | null, jobs: readonly Job[]): Promise<(Outcome | null)[]> {
  const found: (Outcome | null)[] = [];
  for (const job of jobs) found.push(folder === null ? null : await readOutcome(folder, job));
  return found;
}

async function readOutcome(folder: string, job: Job): Promise<Outcome | null> {
  const file = fileOf(folder, job);
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
  if (text === null) return null;
  const outcome = JSON.parse(text) as Outcome;
  if (JSON.stringify(outcome.job) === JSON.stringify(job)) return outcome;
  throw new Error(`${file} is the result of a run with other settings; give another --output, or delete the file`);
}

/** Saves the outcome of a successful run in a folder. Does nothing if `folder` is null. */
export async function keepOutcome(folder: string | null, outcome: Outcome): Promise<void> {
  if (folder === null || !("measured" in outcome)) return;
  await writeFile(fileOf(folder, outcome.job), `${JSON.stringify(outcome, null, 2)}\n`);
}
