import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { S3Server } from "../adapters/testing/s3Server.ts";
import type { KeyBudgets } from "../budgets/keyBudgets.ts";
import { FileStore } from "../jobs/fileStore.ts";
import { JobRefused } from "../jobs/job.ts";
import { JobStore } from "../jobs/jobStore.ts";
import { localQueue } from "../jobs/localQueue.ts";
import { TrainerTime } from "../jobs/trainerTime.ts";
import { folderPlace } from "../storage/folderPlace.ts";
import type { ObjectStore } from "../storage/objects/objectStore.ts";
import { s3Place } from "../storage/s3Place.ts";
import { post } from "../testing/post.ts";
import { ScriptedEngine } from "../testing/scriptedEngine.ts";
import type { ServingApp } from "./app/appContext.ts";
import { createApp } from "./createApp.ts";
import { promMetrics } from "./metrics/promMetrics.ts";

let folder: string;
let server: S3Server;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lowrank-store-budgets-"));
  server = await S3Server.start();
});
afterAll(async () => {
  await rm(folder, { recursive: true });
  await server[Symbol.asyncDispose]();
});

const line = '{"text": "a cat"}\n';
const stores: Readonly<Record<string, () => () => ObjectStore>> = {
  "a folder": () => {
    const own = join(folder, crypto.randomUUID());
    return () => folderPlace(own);
  },
  "a bucket": () => {
    const prefix = crypto.randomUUID();
    return () => s3Place({ ...server.place, prefix });
  },
};

/** Opens a server on a store. */
function open(objects: ObjectStore, budgets: Partial<KeyBudgets>) {
  const [jobs, files, queue] = [new JobStore(objects), new FileStore(objects), localQueue()];
  const app = createApp({
    ...{ engine: new ScriptedEngine(), budgets, metrics: promMetrics() },
    fineTuning: { jobs, files, queue },
  });
  return { app, jobs, files };
}

async function upload(app: ServingApp, text: string = line) {
  const body = new FormData();
  body.set("purpose", "fine-tune");
  body.set("file", new Blob([text]), "train.jsonl");
  const response = await app.request("/v1/files", { method: "POST", body });
  return { status: response.status, body: await response.json() };
}

async function order(app: ServingApp, training_file: string) {
  const response = await post(app, "/v1/fine_tuning/jobs", { model: "test-base", training_file });
  return { status: response.status, body: await response.json() };
}

const countOf = (answers: readonly { status: number }[], wanted: number) =>
  answers.filter(({ status }) => status === wanted).length;
const accepted = <T extends { status: number }>(answers: readonly T[]) =>
  answers.filter(({ status }) => status === 200);

describe.each(Object.entries(stores))("two servers on %s", (_, openStore) => {
  test("accept 3 of 16 fine-tunes that are ordered at once, with 3 jobs a key", async () => {
    const store = openStore();
    const both = [open(store(), { jobs: 3 }), open(store(), { jobs: 3 })];
    const file = (await upload(both[0].app)).body.id;
    const answers = await Promise.all(Array.from({ length: 16 }, (_, i) => order(both[i % 2].app, file)));
    const others = answers.filter(({ status }) => status !== 200 && status !== 429);
    expect(others).toEqual([]);
    expect([countOf(answers, 200), countOf(answers, 429)]).toEqual([3, 13]);
    expect((await both[0].jobs.open("test-base")).length).toBe(3);
    const { id } = accepted(answers)[0].body;
    await both[0].app.request(`/v1/fine_tuning/jobs/${id}/cancel`, { method: "POST" });
    const again = await Promise.all(Array.from({ length: 4 }, (_, i) => order(both[i % 2].app, file)));
    expect(countOf(again, 200)).toBe(1);
  });

  test("store 3 of 16 files that come at once, with 3 files a key", async () => {
    const store = openStore();
    const both = [open(store(), { files: 3 }), open(store(), { files: 3 })];
    const answers = await Promise.all(Array.from({ length: 16 }, (_, i) => upload(both[i % 2].app)));
    expect([countOf(answers, 200), countOf(answers, 400)]).toEqual([3, 13]);
    expect((await both[0].files.ids("")).length).toBe(3);
    const { id } = accepted(answers)[0].body;
    await both[1].app.request(`/v1/files/${id}`, { method: "DELETE" });
    const again = await Promise.all(Array.from({ length: 4 }, (_, i) => upload(both[i % 2].app)));
    expect(countOf(again, 200)).toBe(1);
  });

  test("never store more bytes than the budget of the key", async () => {
    const store = openStore();
    const text = line.repeat(100);
    const budgets = { storedBytes: 3.5 * text.length };
    const both = [open(store(), budgets), open(store(), budgets)];
    const answers = await Promise.all(Array.from({ length: 8 }, (_, i) => upload(both[i % 2].app, text)));
    expect(countOf(answers, 200)).toBeLessThanOrEqual(3);
    expect(answers.find(({ status }) => status !== 200)?.body.error.code).toBe("stored_bytes_exceeded");
    // Concurrent uploads may all be refused; one after the other, they fit.
    for (let i = countOf(answers, 200); i < 3; i++) expect((await upload(both[i % 2].app, text)).status).toBe(200);
    const refused = await upload(both[0].app, text);
    expect([refused.status, refused.body.error.code]).toEqual([400, "stored_bytes_exceeded"]);
    const { data } = await (await both[0].app.request("/v1/files")).json();
    await both[0].app.request(`/v1/files/${data[0].id}`, { method: "DELETE" });
    expect((await upload(both[1].app, text)).status).toBe(200);
  });
});

test("a failed job needs a free slot to be resumed", async () => {
  const { app, jobs } = open(folderPlace(join(folder, crypto.randomUUID())), { jobs: 1 });
  const file = (await upload(app)).body.id;
  const first = (await order(app, file)).body;
  const state = await jobs.find("", first.id);
  const error = { code: "server_error", message: "the disk is full", param: null };
  if (state) await jobs.finish(state.job, { status: "failed", at: 1, error });
  await jobs.close({ id: first.id, model: "test-base" } as never);
  expect((await order(app, file)).status).toBe(200);
  const resume = await app.request(`/v1/fine_tuning/jobs/${first.id}/resume`, { method: "POST" });
  expect([resume.status, (await resume.json()).error.code]).toEqual([429, "rate_limit_exceeded"]);
});

test("an order is refused when the key's jobs have used up the training minutes of the day", async () => {
  const objects = folderPlace(join(folder, crypto.randomUUID()));
  const { app, jobs } = open(objects, { trainerMinutes: 2, steps: 50 });
  const file = (await upload(app)).body.id;
  const first = await order(app, file);
  expect(first.status).toBe(200);
  const state = await jobs.find("", first.body.id);
  expect(state?.job.limits).toEqual({ steps: 50, jobMinutes: 720, trainerMinutes: 2 });
  await new TrainerTime(objects).add({ id: first.body.id, owner: "" }, 130);
  const refused = await post(app, "/v1/fine_tuning/jobs", { model: "test-base", training_file: file });
  expect([refused.status, (await refused.json()).error.code]).toEqual([429, "trainer_minutes_exceeded"]);
  expect(Number(refused.headers.get("retry-after"))).toBeLessThanOrEqual(86_400);
  const metrics = await (await app.request("/metrics")).text();
  expect(metrics).toContain('lowrank_key_budget_used{key="",budget="jobs"} 1');
  expect(metrics).toContain('lowrank_key_budget_limit{key="",budget="files"} 1000');
  expect(metrics).toContain(`lowrank_key_budget_used{key="",budget="trainer-minutes"} ${130 / 60}`);
});

test("a file counts its lines that are not empty", async () => {
  const { app, files } = open(folderPlace(join(folder, crypto.randomUUID())), {});
  const { id } = (await upload(app, `${line}\n\r\n${line}{"text": "no end"}`)).body;
  expect((await files.find("", id))?.lines).toBe(3);
});

test("an order that its check refuses is a 400 with the check's code", async () => {
  const objects = folderPlace(join(folder, crypto.randomUUID()));
  const [jobs, files, queue] = [new JobStore(objects), new FileStore(objects), localQueue()];
  const checkOrder = async () => {
    throw new JobRefused({ code: "rank_exceeded", message: "the rank is 100000", param: "lowrank.options" });
  };
  const app = createApp({ engine: new ScriptedEngine(), fineTuning: { jobs, files, queue, checkOrder } });
  const { status, body } = await order(app, (await upload(app)).body.id);
  expect([status, body.error]).toEqual([
    400,
    expect.objectContaining({ code: "rank_exceeded", message: "Invalid 'lowrank.options': the rank is 100000" }),
  ]);
  expect(await jobs.ids("")).toEqual([]);
});

test("a model that is deleted frees its bytes, unless another name has the same files", async () => {
  const objects = folderPlace(join(folder, crypto.randomUUID()));
  const [jobs, files, queue] = [new JobStore(objects), new FileStore(objects), localQueue()];
  const engine = new ScriptedEngine();
  const app = createApp({ engine, fineTuning: { jobs, files, queue } });
  const run = ".fine-tuning/runs/ftjob-1";
  for (const [name, path] of [
    ["ft:test-base:::1", `${run}/adapter`],
    ["ft:test-base:::1:ckpt-step-2", `${run}/checkpoint-2`],
    ["alias", `${run}/checkpoint-2`],
  ]) {
    await objects.put(`${path}/adapter_model.safetensors`, "weights");
    await engine.loadAdapter(name, path);
  }
  const remove = (name: string) => app.request(`/v1/models/${name}`, { method: "DELETE" });
  expect([(await remove("ft:test-base:::1")).status, (await remove("ft:test-base:::1:ckpt-step-2")).status]).toEqual([
    200, 200,
  ]);
  const left = (await objects.list(`${run}/`)).map(({ key }) => key);
  expect(left).toEqual([`${run}/checkpoint-2/adapter_model.safetensors`]);
});

test("uploads, and texts that are tokenized, are requests of the key", async () => {
  const objects = folderPlace(join(folder, crypto.randomUUID()));
  const [jobs, files, queue] = [new JobStore(objects), new FileStore(objects), localQueue()];
  const engine = new ScriptedEngine({ delay: 100 });
  const app = createApp({ engine, budgets: { requests: 1 }, fineTuning: { jobs, files, queue } });
  const running = post(app, "/v1/completions", { model: "test-base", prompt: "a b" });
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect((await post(app, "/tokenize", { prompt: "a b" })).status).toBe(429);
  expect((await upload(app)).status).toBe(429);
  expect((await running).status).toBe(200);
  expect((await post(app, "/tokenize", { prompt: "a b" })).status).toBe(200);
  expect((await upload(app)).status).toBe(200);
});
