import { createHash } from "node:crypto";
import fs, { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { FileStore } from "../../jobs/fileStore.ts";
import { fineTuneWorker, keepFilled } from "../../jobs/fineTuneWorker.ts";
import { type FineTuneJob, JobRefused, JobStopped } from "../../jobs/job.ts";
import type { JobQueue } from "../../jobs/jobQueue.ts";
import { JobStore } from "../../jobs/jobStore.ts";
import { localQueue } from "../../jobs/localQueue.ts";
import { folderPlace } from "../../storage/folderPlace.ts";
import { post } from "../../testing/post.ts";
import { ScriptedEngine } from "../../testing/scriptedEngine.ts";
import type { ServingApp } from "../app/appContext.ts";
import { createApp } from "../index.ts";

const sha256 = (key: string) => createHash("sha256").update(key).digest("hex");
const keys = [
  { id: "red", sha256: sha256("red-key") },
  { id: "blue", sha256: sha256("blue-key") },
  { id: "baseless", sha256: sha256("baseless-key"), base: false },
];

let folder: string;
/** Folder of a test's store. */
let own: string;
let app: ServingApp;
let jobs: JobStore;
let files: FileStore;
let queue: JobQueue;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lowrank-fine-tuning-"));
});
afterAll(() => rm(folder, { recursive: true }));
beforeEach(async () => {
  own = join(folder, crypto.randomUUID());
  const objects = folderPlace(own);
  [jobs, files, queue] = [new JobStore(objects), new FileStore(objects), localQueue({ attempts: 2, backoffMs: 10 })];
  const limits = { uploadBytes: 2000, uploadPauseSeconds: 0.2 };
  const budgets = { files: 4, jobs: 2 };
  app = createApp({ engine: new ScriptedEngine(), keys, budgets, fineTuning: { jobs, files, queue, limits } });
});

const bearer = (key: string) => ({ authorization: `Bearer ${key}-key` });

function form(parts: Readonly<Record<string, string | Blob>>): FormData {
  const data = new FormData();
  for (const [name, part] of Object.entries(parts)) {
    if (typeof part === "string") data.set(name, part);
    else data.set(name, part, "train.jsonl");
  }
  return data;
}

const send = (body: BodyInit, key = "red", headers: Record<string, string> = {}) =>
  app.request("/v1/files", { method: "POST", body, headers: { ...bearer(key), ...headers }, duplex: "half" } as never);

const line = '{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]}\n';

async function upload(key = "red"): Promise<string> {
  const response = await send(form({ purpose: "fine-tune", file: new Blob([line]) }), key);
  return ((await response.json()) as { id: string }).id;
}

const get = async (path: string, key = "red", method = "GET") => {
  const response = await app.request(path, { method, headers: bearer(key) });
  return { status: response.status, body: await response.json() };
};

const create = async (body: object, key = "red") => {
  const response = await post(app, "/v1/fine_tuning/jobs", { model: "test-base", ...body }, bearer(key));
  return { status: response.status, body: await response.json() };
};

describe("files", () => {
  test("come with their fields in any order, and go", async () => {
    const response = await send(form({ file: new Blob([line.repeat(3)]), purpose: "fine-tune" }));
    const file = await response.json();
    expect([response.status, file.bytes, file.filename]).toEqual([200, 3 * line.length, "train.jsonl"]);
    const content = await app.request(`/v1/files/${file.id}/content`, { headers: bearer("red") });
    expect(await content.text()).toBe(line.repeat(3));
    const opened = vi.spyOn(fs, "open");
    const head = await app.request(`/v1/files/${file.id}/content`, { method: "HEAD", headers: bearer("red") });
    expect([head.status, head.headers.get("content-length")]).toEqual([200, `${3 * line.length}`]);
    expect(opened).not.toHaveBeenCalled();
    opened.mockRestore();
    expect((await get(`/v1/files/${file.id}`)).body).toEqual(file);
    expect((await get(`/v1/files/${file.id}`, "red", "DELETE")).body).toEqual({
      id: file.id,
      object: "file",
      deleted: true,
    });
    expect((await get(`/v1/files/${file.id}`)).status).toBe(404);
    expect((await files.objects.list("")).length).toBe(0);
  });

  test("are listed page by page, the newest first, and those of a key alone", async () => {
    const ids = [await upload(), await upload(), await upload()].reverse();
    await upload("blue");
    const first = (await get("/v1/files?limit=2")).body;
    expect([first.data.map(({ id }: { id: string }) => id), first.has_more]).toEqual([ids.slice(0, 2), true]);
    const rest = (await get(`/v1/files?limit=2&after=${first.last_id}`)).body;
    expect([rest.data.map(({ id }: { id: string }) => id), rest.has_more]).toEqual([ids.slice(2), false]);
    expect((await get("/v1/files?order=asc")).body.first_id).toBe(ids[2]);
    expect((await get("/v1/files?purpose=fine-tune-results")).body.data).toEqual([]);
    expect((await get("/v1/files?after=nothing")).status).toBe(400);
    expect((await get("/v1/files?limit=0")).body.error.param).toBe("limit");
    expect((await get(`/v1/files/${ids[0]}`, "blue")).status).toBe(404);
    expect((await get(`/v1/files/..%2F${ids[0]}`)).status).toBe(404);
  });

  test.each([
    ["no JSONL", { purpose: "fine-tune", file: new Blob([`${line}{"a": \n`]) }, 400, "file"],
    ["a line that is a list", { purpose: "fine-tune", file: new Blob(["[]\n"]) }, 400, "file"],
    ["bytes that are no text", { purpose: "fine-tune", file: new Blob([new Uint8Array([0xff, 10])]) }, 400, "file"],
    ["nothing", { purpose: "fine-tune", file: new Blob(["\n\n"]) }, 400, "file"],
    ["more than a file may have", { purpose: "fine-tune", file: new Blob([line.repeat(40)]) }, 413, "file"],
    ["another purpose", { file: new Blob([line]), purpose: "batch" }, 400, "purpose"],
    ["no purpose", { file: new Blob([line]) }, 400, "purpose"],
    ["no file", { purpose: "fine-tune" }, 400, "file"],
    ["a field that there is not", { purpose: "fine-tune", file: new Blob([line]), color: "red" }, 400, "color"],
    ["a file of another name", { purpose: "fine-tune", data: new Blob([line]) }, 400, "data"],
  ])("with %s are refused, and leave nothing", async (_, parts, status, param) => {
    const response = await send(form(parts));
    const { error } = await response.json();
    expect([response.status, error.param]).toEqual([status, param]);
    expect(await files.objects.list("")).toEqual([]);
  });

  /** Writes a form by hand, since FormData would escape names and merge repeated fields. */
  const parts = (...all: readonly (readonly [disposition: string, content: string])[]) => {
    const each = all.map(([disposition, content]) => {
      return `--cut\r\nContent-Disposition: form-data; ${disposition}\r\n\r\n${content}\r\n`;
    });
    return send(`${each.join("")}--cut--\r\n`, "red", { "content-type": "multipart/form-data; boundary=cut" });
  };
  const purpose = ['name="purpose"', "fine-tune"] as const;
  const named = (filename: string) => [`name="file"; filename="${filename}"`, line] as const;

  test.each([
    ["a second file", [purpose, named("a.jsonl"), named("b.jsonl")], "file", "invalid_form"],
    ["a second file of another name", [purpose, named("a"), ['name="b"; filename="b"', line]], "b", "invalid_form"],
    ["a field that is there twice", [purpose, purpose, named("a.jsonl")], "purpose", "invalid_form"],
    ["a field that is too long", [['name="purpose"', "x".repeat(2000)], named("a")], "purpose", "invalid_form"],
    ["very many fields", [...Array.from({ length: 20 }, (_, i) => [`name="f${i}"`, "x"])], "f15", "invalid_form"],
    ["a field named __proto__", [purpose, ['name="__proto__"', "x"], named("a")], "__proto__", "unknown_parameter"],
    ["a file name of 60,000 characters", [purpose, named("a".repeat(60_000))], "file", "invalid_filename"],
    ["a file name with NUL", [purpose, named("a\0.jsonl")], "file", "invalid_filename"],
    ["a file name with an escape", [purpose, named("a\u001b[31m.jsonl")], "file", "invalid_filename"],
    ["a file name with a C1 control", [purpose, named("a\u009b.jsonl")], "file", "invalid_filename"],
  ])("of a form with %s are refused, and leave nothing", async (_, given, param, code) => {
    const response = await parts(...(given as [string, string][]));
    const { error } = await response.json();
    expect([response.status, error.param, error.code]).toEqual([400, param, code]);
    await expect.poll(() => files.objects.list("")).toEqual([]);
  });

  test.each(["ENOSPC", "EDQUOT"])("on a disk that is full are answered by 507 (%s)", async (code) => {
    const full = Object.assign(new Error(`${code}: no space left on device, write '${own}/x'`), { code });
    const spy = vi.spyOn(fs, "open").mockRejectedValue(full);
    const response = await send(form({ purpose: "fine-tune", file: new Blob([line]) }));
    spy.mockRestore();
    const { error } = await response.json();
    expect([response.status, error.code]).toEqual([507, "insufficient_storage"]);
    expect(error.message).not.toContain(own);
    expect(await files.objects.list("")).toEqual([]);
  });

  test("a name of 255 characters of any script is kept", async () => {
    const name = `${"ß".repeat(249)}.jsonl`;
    const response = await parts(purpose, named(name));
    expect([response.status, (await response.json()).filename]).toEqual([200, name]);
  });

  test("that stop coming, break off or are no form are given up", async () => {
    const boundary = { "content-type": "multipart/form-data; boundary=x" };
    const head = '--x\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n';
    const body = (end: (controller: ReadableStreamDefaultController) => void) =>
      new ReadableStream({
        start: (controller) => {
          controller.enqueue(new TextEncoder().encode(head + line));
          end(controller);
        },
      });
    expect(
      (
        await send(
          body(() => {}),
          "red",
          boundary,
        )
      ).status,
    ).toBe(408);
    expect(
      (
        await send(
          body((controller) => controller.close()),
          "red",
          boundary,
        )
      ).status,
    ).toBe(400);
    expect(
      (
        await send(
          body((controller) => controller.error(new Error("gone"))),
          "red",
          boundary,
        )
      ).status,
    ).toBe(400);
    expect((await send("{}", "red", { "content-type": "application/json" })).status).toBe(415);
    await expect.poll(() => files.objects.list("")).toEqual([]);
    // Incomplete files are removed too, after their writers have ended.
    const entries = async () => readdir(own, { recursive: true, withFileTypes: true });
    await expect.poll(async () => (await entries()).filter((entry) => entry.isFile())).toEqual([]);
  });

  test("are as many as a key may have", async () => {
    for (let i = 0; i < 4; i++) expect(await upload()).toMatch(/^file-/);
    const response = await send(form({ purpose: "fine-tune", file: new Blob([line]) }));
    expect([response.status, (await response.json()).error.code]).toEqual([400, "too_many_files"]);
    expect(await upload("blue")).toMatch(/^file-/);
  });
});

describe("jobs", () => {
  /** Replaces the training of all jobs by a function. */
  const work = (train: (job: FineTuneJob, attempt: number, signal: AbortSignal) => Promise<never>) =>
    queue.work(fineTuneWorker({ store: jobs, place: folderPlace(folder), train }));

  test("are ordered, listed and found by metadata", async () => {
    const file = await upload();
    const made = [
      (await create({ training_file: file, seed: 3, suffix: "a", metadata: { team: "one" } })).body,
      (await create({ training_file: file, hyperparameters: { n_epochs: 2 } })).body,
    ];
    expect(made[0]).toMatchObject({
      ...{ object: "fine_tuning.job", model: "test-base", organization_id: "red", status: "queued", seed: 3 },
      ...{ training_file: file, validation_file: null, fine_tuned_model: null, finished_at: null, error: null },
      hyperparameters: { n_epochs: "auto", batch_size: "auto", learning_rate_multiplier: "auto" },
    });
    expect(made[1].method).toEqual({
      type: "supervised",
      supervised: { hyperparameters: { n_epochs: 2, batch_size: "auto", learning_rate_multiplier: "auto" } },
    });
    const list = (await get("/v1/fine_tuning/jobs")).body;
    expect(list.data.map(({ id }: { id: string }) => id)).toEqual([made[1].id, made[0].id]);
    expect((await get("/v1/fine_tuning/jobs?metadata[team]=one")).body.data).toEqual([made[0]]);
    expect((await get("/v1/fine_tuning/jobs", "blue")).body.data).toEqual([]);
    expect((await get(`/v1/fine_tuning/jobs/${made[0].id}/events`)).body.data).toEqual([
      expect.objectContaining({ object: "fine_tuning.job.event", message: `Created fine-tuning job: ${made[0].id}` }),
    ]);
    expect(await queue.counts()).toEqual({ waiting: 2, running: 0 });
    const more = await create({ training_file: file });
    expect([more.status, more.body.error.code]).toEqual([429, "rate_limit_exceeded"]);
  });

  test("of others, or without leave, are not there", async () => {
    const file = await upload();
    const { id } = (await create({ training_file: file })).body;
    for (const path of ["", "/events", "/checkpoints"]) {
      expect((await get(`/v1/fine_tuning/jobs/${id}${path}`, "blue")).status).toBe(404);
    }
    for (const act of ["cancel", "pause", "resume"]) {
      expect((await get(`/v1/fine_tuning/jobs/${id}/${act}`, "blue", "POST")).status).toBe(404);
    }
    expect((await create({ training_file: file }, "blue")).body.error.param).toBe("training_file");
    expect((await create({ training_file: await upload("baseless") }, "baseless")).status).toBe(404);
    const options = await create({ training_file: file, lowrank: { options: { r: 4 } } });
    expect([options.status, options.body.error.param]).toEqual([400, "lowrank.options"]);
  });

  test("that fail are tried again, told with their errors, and run once more when they are asked to", async () => {
    const file = await upload();
    const attempts: string[] = [];
    const working = await work(async (job, attempt) => {
      attempts.push(`${job.suffix} ${attempt}`);
      if (job.suffix === "bad") throw new JobRefused({ code: "invalid_training_file", message: "line 1", param: "x" });
      throw new Error(`${own} is full`);
    });
    const { id } = (await create({ training_file: file, suffix: "bad" })).body;
    const other = (await create({ training_file: file, suffix: "unlucky" })).body;
    const status = async (job: string) => (await get(`/v1/fine_tuning/jobs/${job}`)).body;
    await expect.poll(async () => (await status(id)).status).toBe("failed");
    await expect.poll(async () => (await status(other.id)).status).toBe("failed");
    expect(attempts).toEqual(["bad 1", "unlucky 1", "unlucky 2"]);
    expect((await status(id)).error).toEqual({ code: "invalid_training_file", message: "line 1", param: "x" });
    const { error, ...failed } = await status(other.id);
    expect([error.code, error.message]).toEqual(["server_error", expect.stringContaining("a fault of the server")]);
    const events = (await get(`/v1/fine_tuning/jobs/${other.id}/events`)).body;
    expect(JSON.stringify([error, failed, events])).not.toContain(own);
    expect((await jobs.find("red", other.id))?.end?.reason).toBe(`${own} is full`);
    expect((await jobs.failed("test-base")).map(({ job }) => job.id)).toEqual([id, other.id]);
    expect(await jobs.open("test-base")).toEqual([]);
    await get(`/v1/fine_tuning/jobs/${other.id}/resume`, "red", "POST");
    await expect.poll(() => attempts.length).toBe(5);
    await expect.poll(async () => (await status(other.id)).status).toBe("failed");
    await working.close();
  });

  test("are taken while the queue is away, and stay open for it", async () => {
    const away = {
      ...queue,
      add: () => new Promise<void>(() => {}),
      remove: () => Promise.reject(new Error("no Redis")),
    };
    app = createApp({ engine: new ScriptedEngine(), keys, fineTuning: { jobs, files, queue: away } });
    const { status, body } = await create({ training_file: await upload() });
    expect([status, body.status]).toEqual([200, "queued"]);
    expect((await jobs.open("test-base")).map(({ id }) => id)).toEqual([body.id]);
    const stopFilling = keepFilled(queue, jobs, "test-base");
    await expect.poll(() => queue.counts()).toEqual({ waiting: 1, running: 0 });
    stopFilling();
    expect((await get(`/v1/fine_tuning/jobs/${body.id}/cancel`, "red", "POST")).body.status).toBe("cancelled");
  });

  test("stop where they are cancelled or paused", async () => {
    const running = new Set<string>();
    const working = await work(async (job, _, signal) => {
      running.add(job.id);
      while (!signal.aborted && !(await jobs.isStopped(job))) await new Promise((resolve) => setTimeout(resolve, 10));
      running.delete(job.id);
      throw new JobStopped();
    });
    const act = async (id: string, what: string) =>
      (await get(`/v1/fine_tuning/jobs/${id}/${what}`, "red", "POST")).body;
    const training_file = await upload();
    const { id } = (await create({ training_file })).body;
    await expect.poll(() => running.size).toBe(1);
    const waiting = (await create({ training_file })).body;
    expect((await act(waiting.id, "cancel")).status).toBe("cancelled");
    expect((await act(id, "pause")).status).toBe("paused");
    await expect.poll(() => running.size).toBe(0);
    expect((await act(id, "resume")).status).toBe("queued");
    await expect.poll(() => running.size).toBe(1);
    expect((await act(id, "cancel")).status).toBe("cancelled");
    await expect.poll(() => running.size).toBe(0);
    for (const what of ["cancel", "resume", "pause"]) {
      const expected = what === "cancel" ? "cancelled" : undefined;
      expect((await act(id, what)).status, what).toBe(expected);
    }
    await expect.poll(() => queue.counts()).toEqual({ waiting: 0, running: 0 });
    expect(await jobs.open("test-base")).toEqual([]);
    await working.close();
  });
});

test("an order has at most 16 pairs of metadata", async () => {
  const pairs = Array.from({ length: 17 }, (_, i) => [`k${i}`, "v"]);
  const training_file = await upload();
  const { status, body } = await create({ training_file, metadata: Object.fromEntries(pairs) });
  expect([status, body.error.param]).toEqual([400, "metadata"]);
  expect((await create({ training_file, metadata: Object.fromEntries(pairs.slice(1)) })).status).toBe(200);
});

test("the OpenAPI document has the routes", async () => {
  const { paths, components } = await (await app.request("/openapi.json")).json();
  expect(Object.keys(paths["/v1/files"]).sort()).toEqual(["get", "post"]);
  expect(Object.keys(paths["/v1/files/{id}"]).sort()).toEqual(["delete", "get"]);
  expect(Object.keys(paths["/v1/models/{id}"]).sort()).toEqual(["delete", "get"]);
  for (const what of ["cancel", "pause", "resume"]) expect(paths).toHaveProperty([`/v1/fine_tuning/jobs/{id}/${what}`]);
  expect(components.schemas.CreateFineTuningJobRequest.required).toEqual(["model", "training_file"]);
  expect(paths["/v1/files"].post.requestBody.content).toHaveProperty(["multipart/form-data"]);
});
