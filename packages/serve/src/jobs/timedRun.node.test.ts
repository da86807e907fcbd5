import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { folderPlace } from "../storage/folderPlace.ts";
import { fineTuneWorker } from "./fineTuneWorker.ts";
import { type FineTuneJob, type JobLimits, JobStopped } from "./job.ts";
import { JobStore } from "./jobStore.ts";
import { timedRun } from "./timedRun.ts";
import { TrainerTime } from "./trainerTime.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lowrank-timed-"));
});
afterAll(() => rm(folder, { recursive: true }));

const jobOf = (id: string, limits: Partial<JobLimits>, owner = id): FineTuneJob => ({
  ...{ id, owner, createdAt: 0, model: "m", name: `ft:m:${id}`, served: false, trainingFile: "file-1" },
  ...{ validationFile: null, method: "supervised", hyperparameters: {}, seed: 1, suffix: null, metadata: null },
  ...{ options: {}, priority: 0 },
  limits: { steps: null, jobMinutes: null, trainerMinutes: null, ...limits },
});

/** Training that runs until it is stopped. */
const endless = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(new JobStopped()), { once: true }));
const after = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const never = new AbortController().signal;

test("a job is stopped at its limit, which all its attempts share", async () => {
  const time = new TrainerTime(folderPlace(folder));
  const job = jobOf("ftjob-1", { jobMinutes: 1 / 60 });
  const stop = new AbortController();
  const first = timedRun(time, job, stop.signal, endless, 50);
  await after(200);
  stop.abort();
  await expect(first).rejects.toThrow(JobStopped);
  const spent = await time.ofJob(job);
  expect(spent).toBeGreaterThan(0.15);
  const start = performance.now();
  await expect(timedRun(time, job, never, endless, 50)).rejects.toThrow(
    expect.objectContaining({ detail: expect.objectContaining({ code: "job_minutes_exceeded" }) }),
  );
  const seconds = (performance.now() - start) / 1000;
  expect(seconds).toBeGreaterThan(0.9 - spent);
  let begun = false;
  const third = timedRun(time, job, never, async () => {
    begun = true;
  });
  await expect(third).rejects.toThrow("The job has trained for");
  expect(begun).toBe(false);
});

test("a killed run has counted its time up to the last check", async () => {
  const time = new TrainerTime(folderPlace(folder));
  const job = jobOf("ftjob-2", {});
  const stop = new AbortController();
  void timedRun(time, job, stop.signal, endless, 50).catch(() => undefined);
  // A kill at this point would leave this much time counted.
  await expect.poll(() => time.ofJob(job), { timeout: 10_000 }).toBeGreaterThan(0.15);
  stop.abort();
});

test("the jobs of an owner share the minutes of a day", async () => {
  let now = Date.UTC(2026, 0, 1, 23);
  const time = new TrainerTime(folderPlace(folder), () => now);
  const limits = { trainerMinutes: 10 };
  await time.add(jobOf("ftjob-3", limits, "red"), 500);
  await time.add(jobOf("ftjob-4", limits, "red"), 100);
  expect([await time.today("red"), time.secondsOfDayLeft]).toEqual([600, 3600]);
  await expect(timedRun(time, jobOf("ftjob-5", limits, "red"), never, endless)).rejects.toThrow(
    expect.objectContaining({ detail: expect.objectContaining({ code: "trainer_minutes_exceeded" }) }),
  );
  expect(await timedRun(time, jobOf("ftjob-6", limits, "blue"), never, async () => "trained")).toBe("trained");
  now += 2 * 3600e3;
  expect(await timedRun(time, jobOf("ftjob-5", limits, "red"), never, async () => "trained")).toBe("trained");
});

test("a worker ends a job at its limit with an error that names it, and other failures stay as they are", async () => {
  const place = folderPlace(folder);
  const store = new JobStore(place);
  const worker = fineTuneWorker({ store, place, train: (_, __, signal) => endless(signal) });
  const job = jobOf("ftjob-7", { jobMinutes: 0.1 / 60 });
  await store.order(job);
  await worker.run(job, 1, never);
  const state = await store.find(job.owner, job.id);
  expect([state?.end?.status, state?.end?.error?.code]).toEqual(["failed", "job_minutes_exceeded"]);
  const time = new TrainerTime(store.objects);
  const failing = timedRun(time, jobOf("ftjob-8", { jobMinutes: 1 }), never, async () => {
    throw new Error("the disk is full");
  });
  await expect(failing).rejects.toThrow("the disk is full");
});

test("a run that ends before the limit ends as it did", async () => {
  const time = new TrainerTime(folderPlace(folder));
  const job = jobOf("ftjob-7", { jobMinutes: 1 });
  const stopped = new JobStopped();
  await expect(timedRun(time, job, never, () => Promise.reject(stopped))).rejects.toBe(stopped);
  await expect(timedRun(time, job, never, () => Promise.reject(new Error("broken")))).rejects.toThrow("broken");
});
