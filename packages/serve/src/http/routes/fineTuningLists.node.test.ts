import { createHash } from "node:crypto";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { MemoryStore } from "../../access/testing/memoryStore.ts";
import type { KeyBudgets } from "../../budgets/keyBudgets.ts";
import { FileStore, type StoredFile } from "../../jobs/fileStore.ts";
import type { FineTuneJob, JobEnd, JobEvent, JobState } from "../../jobs/job.ts";
import { JobStore } from "../../jobs/jobStore.ts";
import { localQueue } from "../../jobs/localQueue.ts";
import { TrainerTime } from "../../jobs/trainerTime.ts";
import { runFolder } from "../../storage/jobKeys.ts";
import { post } from "../../testing/post.ts";
import { ScriptedEngine } from "../../testing/scriptedEngine.ts";
import type { ServingApp } from "../app/appContext.ts";
import { createApp } from "../index.ts";
import { defaultFineTuningLimits, type FineTuning } from "./fineTuning.ts";
import { listedCheckpoints, listedEvents, listedJob } from "./fineTuningAnswers.ts";

const keys = [{ id: "red", sha256: createHash("sha256").update("red-key").digest("hex") }];
const headers = { authorization: "Bearer red-key" };
const path = "/v1/fine_tuning/jobs";
const line = '{"text": "a"}\n';

let store: MemoryStore;
let jobs: JobStore;
let files: FileStore;
let app: ServingApp;
/** Engine of the last app. */
let engine: ScriptedEngine;
const logged: [level: string, fields: Record<string, unknown>, message: string][] = [];

/** Opens a server on the store. */
function open(budgets: Partial<KeyBudgets> = {}, more: Partial<FineTuning> = {}): ServingApp {
  const write = (level: string) => (fields: object, message: string) =>
    void logged.push([level, { ...fields }, message]);
  engine = new ScriptedEngine();
  return createApp({
    ...{ engine, keys, budgets, fineTuning: { jobs, files, queue: localQueue(), ...more } },
    logger: { info: write("info"), warn: write("warn"), error: write("error") },
  });
}

beforeEach(() => {
  store = new MemoryStore();
  [jobs, files] = [new JobStore(store.objects), new FileStore(store.objects)];
  app = open();
  logged.length = 0;
});

const send = async (url: string, method = "GET", of = app) => {
  const response = await of.request(url, { method, headers });
  return { status: response.status, body: await response.json() };
};
const upload = async (more: Readonly<Record<string, string>> = {}, of = app) => {
  const form = new FormData();
  form.set("purpose", "fine-tune");
  form.set("file", new Blob([line]), "a.jsonl");
  const response = await of.request("/v1/files", { method: "POST", body: form, headers: { ...headers, ...more } });
  return { status: response.status, body: await response.json() };
};
const order = async (body: object, of = app) => {
  const response = await post(of, path, { model: "test-base", ...body }, headers);
  return { status: response.status, body: await response.json() };
};
const tick = () => new Promise((resolve) => setImmediate(resolve));

const job: FineTuneJob = {
  ...{ id: "ftjob-0abc", owner: "red", createdAt: 100, model: "test-base", name: "ft:test-base:red::0abc" },
  ...{ served: true, trainingFile: "file-1", validationFile: null, method: "supervised", hyperparameters: {} },
  ...{ seed: 1, suffix: null, metadata: null, options: {}, priority: 0, limits: null },
};
const stateOf = (more: Partial<JobState>): JobState => {
  return { job, progress: null, paused: false, end: null, settled: false, ...more };
};
const ended = (status: JobEnd["status"], more: Partial<JobEnd> = {}): JobEnd => ({ status, at: 200, ...more });
const event = (key: string, at: number, data?: Record<string, number>): JobEvent => {
  return { key, at, level: "info", message: key, type: "metrics", data };
};

describe("a job's answer", () => {
  const error = { code: "c", message: "m", param: null };
  test.each<[string, Partial<JobState>, object]>([
    ["waits", {}, { status: "queued", finished_at: null, fine_tuned_model: null, error: null, result_files: [] }],
    [
      "runs",
      { progress: { status: "running", attempt: 1, finishAt: 900, hyperparameters: { n_epochs: 4 } } },
      {
        status: "running",
        estimated_finish: 900,
        finished_at: null,
        hyperparameters: expect.objectContaining({ n_epochs: 4 }),
      },
    ],
    [
      "has succeeded, and its model is not served yet",
      { end: ended("succeeded", { trainedTokens: 7 }) },
      { status: "queued", finished_at: null, fine_tuned_model: null, trained_tokens: null },
    ],
    [
      "has succeeded",
      { end: ended("succeeded", { trainedTokens: 7, resultFiles: ["file-2"] }), settled: true },
      {
        status: "succeeded",
        finished_at: 200,
        fine_tuned_model: job.name,
        trained_tokens: 7,
        result_files: ["file-2"],
      },
    ],
    [
      "has failed",
      { end: ended("failed", { error }), progress: { status: "running", attempt: 1, finishAt: 900 } },
      { status: "failed", finished_at: 200, fine_tuned_model: null, estimated_finish: null, error },
    ],
    ["was cancelled", { end: ended("cancelled"), settled: true }, { status: "cancelled", finished_at: 200 }],
  ])("that %s", (_, state, expected) => {
    expect(listedJob(stateOf(state))).toMatchObject(expected);
  });

  test("has events with the job's id, the newest first", () => {
    const log = [event("step-1", 150, { loss: 2 })];
    expect(listedEvents(stateOf({ end: ended("failed") }), log)).toEqual([
      {
        ...{ id: "ftevent-0abc-failed", object: "fine_tuning.job.event", created_at: 200 },
        ...{ level: "error", message: "The job failed", type: "message", data: null },
      },
      {
        ...{ id: "ftevent-0abc-step-1", object: "fine_tuning.job.event", created_at: 150 },
        ...{ level: "info", message: "step-1", type: "metrics", data: { loss: 2 } },
      },
      {
        ...{ id: "ftevent-0abc-created", object: "fine_tuning.job.event", created_at: 100 },
        ...{ level: "info", message: "Created fine-tuning job: ftjob-0abc", type: "message", data: null },
      },
    ]);
  });

  test("has checkpoints with the metrics of their steps, the newest first", () => {
    const log = [event("a", 110, { step: 1, loss: 3 }), event("b", 120, { step: 2, loss: 2 }), event("c", 130)];
    const more = event("d", 140, { step: 2, accuracy: 0.5 });
    const common = { object: "fine_tuning.job.checkpoint", fine_tuning_job_id: "ftjob-0abc" };
    expect(listedCheckpoints(job, [2, 5], [...log, more])).toEqual([
      {
        ...{ ...common, id: "ftckpt-0abc-5", created_at: 100, step_number: 5, metrics: {} },
        fine_tuned_model_checkpoint: "ft:test-base:red::0abc:ckpt-step-5",
      },
      {
        ...{ ...common, id: "ftckpt-0abc-2", created_at: 120, step_number: 2 },
        ...{ metrics: { step: 2, loss: 2, accuracy: 0.5 } },
        fine_tuned_model_checkpoint: "ft:test-base:red::0abc:ckpt-step-2",
      },
    ]);
  });
});

describe("a list", () => {
  const idOf = (i: number) => `ftjob-${String(i).padStart(6, "0")}`;
  const pad = (i: number) => String(i).padStart(4, "0");
  const fill: Readonly<Record<string, () => Promise<void>>> = {
    [path]: async () => {
      for (let i = 0; i < 101; i++) await jobs.order({ ...job, id: idOf(i) });
    },
    [`${path}/${job.id}/events`]: async () => {
      await jobs.order(job);
      await jobs.writeLog(
        job,
        0,
        Array.from({ length: 1001 }, (_, i) => event(pad(i), 100 + i)),
      );
    },
    [`${path}/${job.id}/checkpoints`]: async () => {
      await jobs.order(job);
      for (let i = 1; i <= 101; i++) store.write(`${runFolder(job.id)}/checkpoint-${i}/trainer_state.json`, "{}");
    },
    "/v1/files": async () => {
      const { body } = await upload();
      const [key] = [...store.files.keys()].filter((name) => name.endsWith(`${body.id}.json`));
      const folder = key.slice(0, key.lastIndexOf("/"));
      for (let i = 0; i < 1000; i++)
        store.write(`${folder}/file-${pad(i)}.json`, JSON.stringify({ id: `file-${pad(i)}` }));
    },
  };

  test.each<[path: string, usual: number, most: number]>([
    [path, 20, 100],
    [`${path}/${job.id}/events`, 20, 1000],
    [`${path}/${job.id}/checkpoints`, 10, 100],
    ["/v1/files", 1000, 10_000],
  ])("of %s has %i items, and at most %i", async (url, usual, most) => {
    await fill[url]();
    const first = (await send(url)).body;
    expect([first.data.length, first.has_more]).toEqual([usual, true]);
    const whole = (await send(`${url}?limit=${most}`)).body;
    expect(whole.data.length).toBe(Math.min(most, 1001));
    expect(whole.data.slice(0, usual)).toEqual(first.data);
    const refused = await send(`${url}?limit=${most + 1}`);
    expect([refused.status, refused.body.error.message]).toEqual([
      ...[400, `Invalid 'limit': it is "${most + 1}"; expected a whole number from 1 to ${most}.`],
    ]);
  });

  test("of jobs reads only those on its page, unless it is filtered", async () => {
    for (let i = 0; i < 3; i++) await jobs.order({ ...job, id: idOf(i), metadata: { a: `${i % 2}`, b: "x" } });
    const found = vi.spyOn(jobs, "find");
    const ids = async (query: string) => (await send(path + query)).body.data.map(({ id }: { id: string }) => id);
    expect(await ids("?limit=1")).toEqual([idOf(2)]);
    expect(found).toHaveBeenCalledTimes(1);
    expect(await ids("?metadata[a]=0&metadata[b]=x")).toEqual([idOf(2), idOf(0)]);
    expect(await ids("?metadata[a]=0&metadata[b]=y")).toEqual([]);
  });
});

describe("an order", () => {
  test("becomes a job with the key's limits and the server's defaults", async () => {
    const random = vi.spyOn(crypto, "getRandomValues").mockImplementation((array) => {
      if (array) new Uint8Array(array.buffer).fill(0xff);
      return array;
    });
    app = open({ steps: 5, jobMinutes: 6, trainerMinutes: Number.POSITIVE_INFINITY });
    const training_file = (await upload()).body.id;
    const { body } = await order({ training_file, suffix: "poet" });
    const values = random.mock.calls.flatMap(([array]) => (array instanceof Uint32Array ? [array.length] : []));
    random.mockRestore();
    expect(values).toEqual([1]);
    const state = await jobs.find("red", body.id);
    // A seed has 31 bits.
    expect(state?.job).toMatchObject({ served: true, priority: 0, seed: 2 ** 31 - 1, options: {}, metadata: null });
    expect(state?.job.name).toBe(`ft:test-base:red:poet:${body.id.replace("ftjob-", "")}`);
    expect(state?.job.limits).toEqual({ steps: 5, jobMinutes: 6, trainerMinutes: null });
    expect(body).toMatchObject({ seed: 2 ** 31 - 1, lowrank: { options: {}, priority: 0 } });
  });

  test("is checked with its training file", async () => {
    const checked: StoredFile[] = [];
    app = open({}, { checkOrder: async (_, __, file) => void checked.push(file) });
    const [training, validation] = [(await upload()).body.id, (await upload()).body.id];
    expect((await order({ training_file: training, validation_file: validation })).status).toBe(200);
    expect((await order({ training_file: training })).status).toBe(200);
    expect(checked.map(({ id }) => id)).toEqual([training, training]);
    const missing = await order({ training_file: training, validation_file: "file-none" });
    expect([missing.status, missing.body.error.param]).toEqual([400, "validation_file"]);
  });

  test.each([
    [2, 119.5, 200],
    [2, 120, 429],
    [2, 130, 429],
    [Number.POSITIVE_INFINITY, 1e9, 200],
  ])("of a key with %d minutes a day, whose jobs have trained for %d seconds, is %i", async (minutes, used, status) => {
    app = open({ trainerMinutes: minutes });
    const training_file = (await upload()).body.id;
    await new TrainerTime(store.objects).add({ id: "ftjob-1", owner: "red" }, used);
    const answer = await order({ training_file });
    expect([answer.status, answer.body.error?.message]).toEqual([
      ...[
        status,
        status === 200 ? undefined : "The jobs of this key have used all of its 2 minutes of training per day.",
      ],
    ]);
  });

  test("needs storage that is free", async () => {
    const training_file = (await upload()).body.id;
    const refused = await order({ training_file }, open({ storedBytes: line.length }));
    expect([refused.status, refused.body.error.code]).toEqual([400, "stored_bytes_exceeded"]);
    expect(refused.body.error.message).toBe(
      `This key has stored ${line.length} of its ${line.length} bytes; delete files or fine-tuned models first.`,
    );
    expect((await order({ training_file }, open({ storedBytes: line.length + 1 }))).status).toBe(200);
  });

  test("waits for the queue for a second at most", async () => {
    app = open({}, { queue: { ...localQueue(), add: () => new Promise<void>(() => {}) } });
    const training_file = (await upload()).body.id;
    const timer = vi.spyOn(globalThis, "setTimeout").mockImplementation(((go: () => void) => {
      queueMicrotask(go);
      return 0;
    }) as never);
    expect((await order({ training_file })).status).toBe(200);
    const waits = timer.mock.calls.map(([, ms]) => ms);
    timer.mockRestore();
    expect(waits).toContain(1000);
  });
});

describe("a job that", () => {
  test.each<[string, string, number]>([
    ["succeeded", "cancel", 400],
    ["succeeded", "pause", 400],
    ["succeeded", "resume", 400],
    ["failed", "cancel", 400],
    ["failed", "pause", 400],
    ["failed", "resume", 200],
    ["cancelled", "cancel", 200],
    ["cancelled", "pause", 400],
    ["cancelled", "resume", 400],
    ["queued", "pause", 200],
    ["queued", "resume", 400],
    ["paused", "pause", 200],
    ["paused", "resume", 200],
    ["paused", "cancel", 200],
  ])("is %s answers %s with %i", async (status, act, expected) => {
    await jobs.order(job);
    if (status === "paused") await jobs.pause(job);
    else if (status !== "queued") {
      await jobs.finish(job, ended(status as JobEnd["status"]));
      await jobs.close(job);
    }
    const { status: answered, body } = await send(`${path}/${job.id}/${act}`, "POST");
    expect(answered).toBe(expected);
    const after = { cancel: "cancelled", pause: "paused", resume: "queued" }[act];
    const participle = { cancel: "cancelled", pause: "paused", resume: "resumed" }[act];
    if (expected === 200) expect(body.status).toBe(after);
    else {
      expect(body.error).toMatchObject({
        code: "invalid_job_status",
        message: `This job cannot be ${participle}: its status is '${status}'.`,
      });
    }
  });

  test("is resumed holds its place while it is opened again", async () => {
    app = open({ jobs: 1 });
    const training_file = (await upload()).body.id;
    await jobs.order(job);
    await jobs.finish(job, ended("failed"));
    const { objects } = store;
    const statuses: number[] = [];
    vi.spyOn(jobs, "reopen").mockImplementation(async () => {
      statuses.push((await order({ training_file })).status);
      await objects.remove(`${runFolder(job.id)}/end.json`);
    });
    expect((await send(`${path}/${job.id}/resume`, "POST")).status).toBe(200);
    expect(statuses).toEqual([429]);
  });
});

describe("a file's content", () => {
  const contentOf = async (method = "GET") => {
    const { id } = (await upload()).body;
    await tick();
    logged.length = 0;
    return app.request(`/v1/files/${id}/content`, { method, headers });
  };

  test("is logged when it has been read to its end", async () => {
    const response = await contentOf();
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    expect(new TextDecoder().decode((await reader.read()).value)).toBe(line);
    await tick();
    expect(logged).toEqual([]);
    expect((await reader.read()).done).toBe(true);
    await tick();
    expect(logged.map(([level, , message]) => [level, message])).toEqual([["info", "answered"]]);
  });

  test("is logged when its reader has gone", async () => {
    const response = await contentOf();
    await response.body?.cancel();
    await tick();
    expect(logged.map(([level, { err }]) => [level, err])).toEqual([["info", undefined]]);
  });

  test("that cannot be read is an error in the log", async () => {
    const broken = new Error("the disk is broken");
    const next = () => Promise.reject(broken);
    vi.spyOn(files, "content").mockReturnValue({ [Symbol.asyncIterator]: () => ({ next }) });
    const response = await contentOf();
    await expect(response.text()).rejects.toThrow("the disk is broken");
    await tick();
    expect(logged.map(([level, { err }]) => [level, err])).toEqual([["error", broken]]);
  });
});

test("an upload whose length is larger than the bytes that are left is refused before it is read", async () => {
  app = open({ storedBytes: 100 });
  const { status, body } = await upload({ "content-length": "150" });
  expect([status, body.error.message]).toEqual([
    ...[400, "This key has stored 0 of its 100 bytes, and the file needs 150; delete files or fine-tuned models."],
  ]);
  expect((await upload({ "content-length": "100" })).status).toBe(200);
});

describe("a fine-tuned model", () => {
  const name = "ft:test-base:red::1";
  test("is deleted with its files; a failure there is in the log", async () => {
    store.write(".fine-tuning/runs/ftjob-1/adapter/a", "x");
    await engine.loadAdapter(name, ".fine-tuning/runs/ftjob-1/adapter");
    expect(await send(`/v1/models/${name}`, "DELETE")).toEqual({
      ...{ status: 200, body: { id: name, object: "model", deleted: true } },
    });
    expect(store.files.size).toBe(0);
    await engine.loadAdapter(name, ".fine-tuning/runs/ftjob-1/checkpoint-2");
    vi.spyOn(jobs.objects, "list").mockRejectedValue(new Error("no disk"));
    expect((await send(`/v1/models/${name}`, "DELETE")).status).toBe(200);
    expect(logged).toContainEqual([
      "warn",
      { model: name, reason: "no disk" },
      "some files of a deleted model could not be removed",
    ]);
  });

  test("of another key, or of no job, is not deleted", async () => {
    await engine.loadAdapter("poet", "adapters/poet");
    const refused = await send("/v1/models/poet", "DELETE");
    expect([refused.status, refused.body.error.code]).toEqual([403, "forbidden"]);
    expect((await send("/v1/models/nobody", "DELETE")).status).toBe(404);
  });
});

test("a file is at most 512 MB, and comes without a pause of 30 seconds", () => {
  expect(defaultFineTuningLimits).toEqual({ uploadBytes: 512_000_000, uploadPauseSeconds: 30 });
});
