import type { FineTuneJob, JobEvent, StoredFile } from "@lowrank/serve/jobs";
import type { JobPlaces } from "./jobPlaces.ts";

const columns = ["step", "train_loss", "learning_rate", "valid_loss"] as const;

/**
 * Stores the metrics in a job's log as a CSV file that belongs to the job's owner. A repeated call replaces the same
 * file.
 */
export async function resultFile({ jobs, files }: JobPlaces, job: FineTuneJob): Promise<StoredFile> {
  const text = metricsCsv(await jobs.log(job));
  const content = async function* () {
    yield new TextEncoder().encode(text);
  };
  const facts = { filename: "step_metrics.csv", purpose: "fine-tune-results", slot: null } as const;
  return files.add(job.owner, content(), facts, `file-${job.id.slice(job.id.indexOf("-") + 1)}`);
}

/** Returns a CSV text with one line per step: the step, its training loss, learning rate and validation loss. */
function metricsCsv(log: readonly JobEvent[]): string {
  const steps = new Map<number, Record<string, number>>();
  for (const { data } of log) {
    if (data?.step === undefined) continue;
    steps.set(data.step, { ...steps.get(data.step), ...data });
  }
  const sorted = [...steps.values()].sort((a, b) => a.step - b.step);
  const lines = sorted.map((row) => columns.map((column) => row[column] ?? "").join(","));
  return `${[columns.join(","), ...lines].join("\n")}\n`;
}
