import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { MemoryStore } from "../access/testing/memoryStore.ts";
import { jobsFolder } from "../storage/adapterPlace.ts";
import { ownerKey } from "../storage/jobKeys.ts";
import type { FineTuneJob } from "./job.ts";
import { jobCounter } from "./jobCounts.ts";
import { JobStore } from "./jobStore.ts";
import { localQueue } from "./localQueue.ts";

const start = 1_700_006_400_000;
let clock: ReturnType<typeof vi.spyOn>;
beforeEach(() => {
  clock = vi.spyOn(Date, "now").mockReturnValue(start);
});
afterEach(() => clock.mockRestore());

const jobOf = (id: string): FineTuneJob => ({
  ...{ id, owner: "red", createdAt: 1, model: "base", name: `ft:${id}`, served: true, trainingFile: "file-1" },
  ...{ validationFile: null, method: "supervised", hyperparameters: {}, seed: 1, suffix: null, metadata: null },
  ...{ options: {}, priority: 0, limits: null },
});

test("jobs are counted every 10 seconds, and ended ones are read once", async () => {
  const store = new MemoryStore();
  const reads: string[] = [];
  const { objects } = store;
  const get = (key: string) => {
    reads.push(key);
    return objects.get(key);
  };
  const jobs = new JobStore({ ...objects, get });
  for (const id of ["ftjob-1", "ftjob-2", "ftjob-3"]) await jobs.order(jobOf(id));
  for (const [id, status] of [
    ["ftjob-1", "cancelled"],
    ["ftjob-2", "succeeded"],
  ] as const) {
    await jobs.finish(jobOf(id), { status, at: 2 });
    await jobs.close(jobOf(id));
  }
  const count = jobCounter(jobs);
  expect(await count()).toMatchObject({ queued: 1, cancelled: 1, succeeded: 1 });
  await jobs.order(jobOf("ftjob-4"));
  clock.mockReturnValue(start + 9999);
  expect((await count()).queued).toBe(1);
  reads.length = 0;
  clock.mockReturnValue(start + 10_000);
  expect(await count()).toMatchObject({ queued: 2, cancelled: 1, succeeded: 1 });
  expect(reads.filter((key) => /ftjob-[12]/.test(key))).toEqual([]);
  for (const id of ["ftjob-1", "ftjob-3"]) await store.remove(`${jobsFolder}/jobs/${await ownerKey("red")}/${id}.json`);
  clock.mockReturnValue(start + 20_000);
  expect(await count()).toMatchObject({ queued: 1, cancelled: 0, succeeded: 1 });
  // The same id may be ordered again.
  await jobs.order(jobOf("ftjob-3"));
  clock.mockReturnValue(start + 30_000);
  expect(await count()).toMatchObject({ queued: 2 });
});

test("a job that fails has 3 attempts, 5 and 10 seconds apart", async () => {
  const queue = localQueue();
  await queue.counts();
  const timers: [() => void, number][] = [];
  const waits = vi.spyOn(globalThis, "setTimeout").mockImplementation(((next: () => void, ms: number) => {
    timers.push([next, ms]);
    return timers.length;
  }) as never);
  const attempts: number[] = [];
  const failed: string[] = [];
  const settle = async () => {
    for (let i = 0; i < 20; i++) await Promise.resolve();
  };
  const working = await queue.work({
    run: async (_, attempt) => {
      attempts.push(attempt);
      throw new Error("no");
    },
    failed: async ({ id }) => void failed.push(id),
  });
  await queue.add({ id: "j", owner: "a", priority: 0 });
  await settle();
  const seen: unknown[] = [[...attempts], timers.at(-1)![1]];
  for (const seconds of [5, 15]) {
    clock.mockReturnValue(start + seconds * 1000);
    timers.at(-1)![0]();
    await settle();
    seen.push([...attempts], timers.at(-1)![1]);
  }
  waits.mockRestore();
  expect(seen).toEqual([[1], 5000, [1, 2], 10_000, [1, 2, 3], 10_000]);
  expect([failed, await queue.counts()]).toEqual([["j"], { waiting: 0, running: 0 }]);
  await working.close();
  await queue.close();
});
