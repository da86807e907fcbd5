import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { folderPlace } from "../storage/folderPlace.ts";
import type { FineTuneJob } from "./job.ts";
import { jobCounter } from "./jobCounts.ts";
import { JobStore } from "./jobStore.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "job-counts-"));
});
afterAll(() => rm(folder, { recursive: true }));

function jobOf(id: string, owner: string): FineTuneJob {
  return {
    ...{ id, owner, createdAt: 1, model: "base", name: `ft:${id}`, served: true, trainingFile: "file-1" },
    ...{ validationFile: null, method: "supervised", hyperparameters: {}, seed: 1, suffix: null, metadata: null },
    ...{ options: {}, priority: 0, limits: null },
  };
}

test("jobs of all owners are counted by status, and a job that failed may be opened again", async () => {
  const jobs = new JobStore(folderPlace(folder));
  const ids = Array.from({ length: 6 }, (_, i) => `ftjob-${String(i).padStart(24, "0")}`);
  const [waits, runs, paused, failed, cancelled, done] = ids.map((id, i) => jobOf(id, i % 2 ? "red" : "blue"));
  for (const job of [waits, runs, paused, failed, cancelled, done]) await jobs.order(job);
  await jobs.progress(runs, { status: "running", attempt: 1 });
  await jobs.pause(paused);
  await jobs.finish(failed, { status: "failed", at: 2 });
  await jobs.finish(cancelled, { status: "cancelled", at: 2 });
  await jobs.finish(done, { status: "succeeded", at: 2 });
  const count = jobCounter(jobs);
  const expected = { queued: 2, validating_files: 0, running: 1, paused: 1, succeeded: 0, failed: 1, cancelled: 1 };
  // The model of the succeeded job cannot be used yet.
  expect(await count()).toEqual(expected);
  const later = vi.spyOn(Date, "now").mockReturnValue(Date.now() + 60_000);
  await jobs.close(done);
  await jobs.reopen(failed);
  expect(await count()).toEqual({ ...expected, succeeded: 1, failed: 0 });
  later.mockRestore();
});
