import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { MemoryStore } from "../access/testing/memoryStore.ts";
import { fineTuneWorker, keepFilled, retryJob } from "./fineTuneWorker.ts";
import type { FineTuneJob, JobEnd } from "./job.ts";
import { compareIds, JobStore, type OpenJob } from "./jobStore.ts";
import { localQueue } from "./localQueue.ts";

let store: MemoryStore;
let jobs: JobStore;
beforeEach(() => {
  store = new MemoryStore();
  jobs = new JobStore(store.objects);
});
afterEach(() => void vi.restoreAllMocks());

const jobOf = (id: string, owner = "red"): FineTuneJob => ({
  ...{ id, owner, createdAt: 100, model: "base", name: `ft:base:${owner}::1`, served: false, trainingFile: "file-1" },
  ...{ validationFile: null, method: "supervised", hyperparameters: {}, seed: 1, suffix: null, metadata: null },
  ...{ options: {}, priority: 0, limits: null },
});
const job = jobOf("ftjob-1");
const ended = (status: JobEnd["status"]): JobEnd => ({ status, at: 200 });

test("ids are in the order of their characters, digits first", () => {
  const ids = ["ftjob-0zz", "ftjob-9", "ftjob-a", "ftjob-00", "ftjob-a0", "ftjob-z"];
  expect(ids.toSorted(compareIds)).toEqual(ids.toSorted());
});

test("a job is settled when it has ended and is not open", async () => {
  const settled = async () => (await jobs.state(job)).settled;
  expect(await settled()).toBe(false);
  await jobs.order(job);
  expect(await settled()).toBe(false);
  expect(await jobs.finish(job, ended("succeeded"))).toEqual(ended("succeeded"));
  expect(await jobs.finish(job, ended("cancelled"))).toEqual(ended("succeeded"));
  expect(await settled()).toBe(false);
  await jobs.close(job);
  expect(await settled()).toBe(true);
});

test("a run stops when its job is paused or has ended", async () => {
  expect(await jobs.isStopped(job)).toBe(false);
  await jobs.pause(job);
  expect(await jobs.isStopped(job)).toBe(true);
  await jobs.unpause(job);
  expect(await jobs.isStopped(job)).toBe(false);
  await jobs.finish(job, ended("cancelled"));
  expect(await jobs.isStopped(job)).toBe(true);
});

test("failed jobs of all owners are in the order of their ids", async () => {
  const owners = ["a", "b", "c", "d", "e", "f"];
  for (const [i, owner] of owners.entries()) {
    const failed = jobOf(`ftjob-${9 - i}`, owner);
    await jobs.order(failed);
    await jobs.finish(failed, ended("failed"));
  }
  await jobs.order(jobOf("ftjob-0"));
  expect((await jobs.failed("base")).map(({ job: { id } }) => id)).toEqual([4, 5, 6, 7, 8, 9].map((i) => `ftjob-${i}`));
  expect(await jobs.failed("other")).toEqual([]);
});

test("a log is in the order of its steps", async () => {
  const event = (key: string) => ({ key, at: 1, level: "info", message: key, type: "message" }) as const;
  for (const step of [10, 9, 123_456_789]) await jobs.writeLog(job, step, [event(`step ${step}`)]);
  expect([...store.files.keys()].filter((key) => key.includes("/log/")).map((key) => key.split("/").at(-1))).toEqual([
    ...["000000010.jsonl", "000000009.jsonl", "123456789.jsonl"],
  ]);
  expect((await jobs.log(job)).map(({ key }) => key)).toEqual(["step 9", "step 10", "step 123456789"]);
});

describe("a worker", () => {
  const start = () => {
    const trained: string[] = [];
    const worker = fineTuneWorker({
      store: jobs,
      place: store.place,
      train: async ({ id }) => {
        trained.push(id);
        return { writesAdapter: false, trainedTokens: 7, resultFiles: [] };
      },
    });
    return {
      trained,
      run: (id: string) => worker.run({ id, owner: "red", priority: 0 }, 1, new AbortController().signal),
      worker,
    };
  };

  test("does not train a job that is paused, unknown or over", async () => {
    const { run, trained, worker } = start();
    await jobs.order(job);
    await jobs.pause(job);
    await run(job.id);
    await run("ftjob-unknown");
    await worker.failed({ id: "ftjob-unknown", owner: "red", priority: 0 }, new Error("x"));
    expect([trained, await jobs.end(job), (await jobs.open("base")).length]).toEqual([[], null, 1]);
    await jobs.unpause(job);
    await jobs.finish(job, ended("cancelled"));
    await run(job.id);
    expect([trained, await jobs.open("base")]).toEqual([[], []]);
  });

  test("trains a job that waits, and settles it", async () => {
    const { run, trained } = start();
    await jobs.order(job);
    await run(job.id);
    expect([trained, (await jobs.end(job))?.status, await jobs.open("base")]).toEqual([[job.id], "succeeded", []]);
  });
});

describe("a queue that is kept filled", () => {
  const settled = () => new Promise((resolve) => setImmediate(resolve));

  test("gets the open jobs every 30 seconds", async () => {
    await jobs.order(job);
    const timer = vi.spyOn(globalThis, "setTimeout").mockReturnValue(0 as never);
    const added: string[] = [];
    const stop = keepFilled({ ...localQueue(), add: async ({ id }) => void added.push(id) }, jobs, "base");
    await settled();
    expect([added, timer.mock.calls.map(([, ms]) => ms)]).toEqual([[job.id], [30_000]]);
    await jobs.order(jobOf("ftjob-2"));
    timer.mock.calls[0][0]();
    await settled();
    expect([added, timer.mock.calls.length]).toEqual([[job.id, job.id, "ftjob-2"], 2]);
    stop();
  });

  test("gets none after it was stopped", async () => {
    for (const id of ["ftjob-1", "ftjob-2"]) await jobs.order(jobOf(id));
    const timer = vi.spyOn(globalThis, "setTimeout").mockReturnValue(0 as never);
    const added: string[] = [];
    const add = async ({ id }: OpenJob) => {
      added.push(id);
      stop();
    };
    const stop = keepFilled({ ...localQueue(), add }, jobs, "base");
    await settled();
    expect([added, timer.mock.calls]).toEqual([["ftjob-1"], []]);
  });
});

test("a failed job is tried again, and no other", async () => {
  const added: string[] = [];
  const queue = { ...localQueue(), add: async ({ id }: OpenJob) => void added.push(id) };
  const retried = () => retryJob(jobs, queue, { id: job.id, owner: "red", priority: 0 });
  expect(await retried()).toBe(false);
  await jobs.order(job);
  expect(await retried()).toBe(false);
  await jobs.finish(job, ended("failed"));
  await jobs.close(job);
  expect(added).toEqual([]);
  expect(await retried()).toBe(true);
  expect([added, await jobs.end(job), (await jobs.open("base")).length]).toEqual([[job.id], null, 1]);
});
