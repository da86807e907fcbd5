import { createHash } from "node:crypto";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import OpenAI, { toFile } from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CommandFolder, commandFolder } from "../testing/commandFolder.ts";
import { type Started, startProcess } from "../testing/startProcess.ts";

let folder: CommandFolder;
let server: Started;
let baseURL: string;

const sha256 = (key: string) => createHash("sha256").update(key).digest("hex");
const keys = [
  { id: "acme", sha256: sha256("acme-key"), adapters: [] },
  { id: "other", sha256: sha256("other-key") },
];
const client = (apiKey = "acme-key") => new OpenAI({ baseURL, apiKey, maxRetries: 0 });

beforeAll(async () => {
  folder = await commandFolder();
  await writeFile(folder.at("keys.json"), JSON.stringify(keys));
  const args =
    "serve model --store store --fine-tuning --api-key-file keys.json --port 0 --max-jobs 3 --max-upload 200kB";
  server = await startProcess(args.split(" "), /"url":"([^"]+)".*"msg":"serving"/, { cwd: folder.folder });
  baseURL = `${(server as Started & { match: RegExpExecArray }).match[1]}/v1`;
}, 60_000);
afterAll(async () => {
  await server.stop();
  await rm(folder.folder, { recursive: true, force: true });
});

const chats = (count: number): string =>
  Array.from({ length: count }, (_, i) => ({
    messages: [
      { role: "user", content: `say ${i % 3}` },
      { role: "assistant", content: "abc"[i % 3] },
    ],
  }))
    .map((line) => `${JSON.stringify(line)}\n`)
    .join("");

const comparisons = Array.from({ length: 12 }, (_, i) => ({
  input: { messages: [{ role: "user", content: `say ${i % 3}` }] },
  preferred_output: [{ role: "assistant", content: "abc"[i % 3] }],
  non_preferred_output: [{ role: "assistant", content: "z" }],
}))
  .map((line) => JSON.stringify(line))
  .join("\n");

const upload = async (text: string, name = "train.jsonl") =>
  client().files.create({ file: await toFile(Buffer.from(text), name), purpose: "fine-tune" });

/** Waits for a job's end. */
async function ended(id: string): Promise<OpenAI.FineTuning.FineTuningJob> {
  for (;;) {
    const job = await client().fineTuning.jobs.retrieve(id);
    if (["succeeded", "failed", "cancelled"].includes(job.status)) return job;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

const small = { lowrank: { options: { r: 2, "max-length": 48 } } };

test("a file becomes a job, whose events are followed, and whose model answers its key alone", async () => {
  const file = await upload(chats(24));
  expect(file).toMatchObject({ object: "file", filename: "train.jsonl", purpose: "fine-tune", status: "processed" });
  expect(file.bytes).toBe(chats(24).length);
  expect(await (await client().files.content(file.id)).text()).toBe(chats(24));
  const validation = await upload(chats(6), "validation.jsonl");
  const order = {
    ...{ model: "model", training_file: file.id, validation_file: validation.id, suffix: "poet", seed: 7 },
    method: {
      type: "supervised" as const,
      supervised: { hyperparameters: { n_epochs: 20, batch_size: 4, learning_rate_multiplier: 30 } },
    },
    metadata: { team: "verse" },
    lowrank: { options: { r: 8, schedule: "constant" } },
  };
  const job = await client().fineTuning.jobs.create(order);
  expect(job).toMatchObject({ object: "fine_tuning.job", status: "queued", fine_tuned_model: null, seed: 7 });
  const messages: string[] = [];
  const seen = new Set<string>();
  for (let over = false; !over; ) {
    over = ["succeeded", "failed"].includes((await client().fineTuning.jobs.retrieve(job.id)).status);
    const events: OpenAI.FineTuning.FineTuningJobEvent[] = [];
    for await (const event of client().fineTuning.jobs.listEvents(job.id, { limit: 30 })) events.push(event);
    for (const event of events.reverse()) {
      if (!seen.has(event.id)) messages.push(event.message);
      seen.add(event.id);
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const done = await client().fineTuning.jobs.retrieve(job.id);
  expect(done).toMatchObject({ status: "succeeded", error: null, hyperparameters: { n_epochs: 20, batch_size: 4 } });
  const model = done.fine_tuned_model as string;
  expect(model).toMatch(/^ft:model:acme:poet:[a-z0-9]+$/);
  expect(messages[0]).toBe(`Created fine-tuning job: ${job.id}`);
  expect(messages.filter((message) => /^Step \d+\/120: training loss=/.test(message)).length).toBe(120);
  expect(messages).toContain("Fine-tuning job started: 24 examples, 120 steps");
  expect(messages.at(-1)).toBe("The job has successfully completed");
  const losses = messages.flatMap((message) => /validation loss=(.*)/.exec(message)?.[1] ?? []).map(Number);
  expect(losses.at(-1)).toBeLessThan(losses[0]);

  const checkpoints = await client().fineTuning.jobs.checkpoints.list(job.id);
  expect(checkpoints.data.map(({ step_number }) => step_number)).toEqual([120, 108, 96]);
  expect(checkpoints.data[0].metrics.train_loss).toBeGreaterThan(0);
  const [result] = done.result_files;
  const csv = (await (await client().files.content(result)).text()).trim().split("\n");
  expect([csv[0], csv.length]).toEqual(["step,train_loss,learning_rate,valid_loss", 122]);

  const ask = { messages: [{ role: "user" as const, content: "say 1" }], max_tokens: 14, temperature: 0 };
  const answer = await client().chat.completions.create({ model, ...ask });
  expect(answer.choices[0].message.content).toContain("assistant: b");
  const [last] = checkpoints.data;
  const again = await client().chat.completions.create({ model: last.fine_tuned_model_checkpoint, ...ask });
  expect(again.choices[0].message.content).toBe(answer.choices[0].message.content);
  const ids = async (key: string) => (await client(key).models.list()).data.map(({ id }) => id);
  expect(await ids("acme-key")).toContain(model);
  expect(await ids("other-key")).toEqual(["model"]);
  await expect(client("other-key").chat.completions.create({ model, ...ask })).rejects.toMatchObject({ status: 404 });
  const path = `.fine-tuning/runs/${job.id}/adapter`;
  await expect(client("other-key").chat.completions.create({ model: path, ...ask })).rejects.toMatchObject({
    status: 404,
  });
  for (const get of [
    () => client("other-key").fineTuning.jobs.retrieve(job.id),
    () => client("other-key").fineTuning.jobs.cancel(job.id),
    () => client("other-key").files.retrieve(file.id),
    () => client("other-key").files.delete(file.id),
    () => client("other-key").models.delete(model),
  ]) {
    await expect(get()).rejects.toMatchObject({ status: 404 });
  }
  expect((await client("other-key").fineTuning.jobs.list()).data).toEqual([]);
  const found = await client().fineTuning.jobs.list({ metadata: { team: "verse" } });
  expect(found.data.map(({ id }) => id)).toEqual([job.id]);
  await expect(client().fineTuning.jobs.cancel(job.id)).rejects.toMatchObject({ status: 400 });

  expect(await client().models.delete(model)).toMatchObject({ id: model, deleted: true });
  await expect(client().chat.completions.create({ model, ...ask })).rejects.toMatchObject({ status: 404 });
}, 100_000);

test("preferences train by DPO", async () => {
  const file = await upload(comparisons);
  const job = await client().fineTuning.jobs.create({
    ...{ model: "model", training_file: file.id, seed: 1, ...small },
    method: {
      type: "dpo",
      dpo: { hyperparameters: { n_epochs: 3, batch_size: 4, beta: 0.5, learning_rate_multiplier: 20 } },
    },
  });
  const done = await ended(job.id);
  expect(done).toMatchObject({ status: "succeeded", method: { type: "dpo", dpo: { hyperparameters: { beta: 0.5 } } } });
  const losses: number[] = [];
  for await (const { data } of client().fineTuning.jobs.listEvents(job.id)) {
    const loss = (data as { train_loss?: number } | null)?.train_loss;
    if (loss !== undefined) losses.unshift(loss);
  }
  // Before the first step, the model has the same preferences as its reference.
  expect(losses[0]).toBeCloseTo(Math.log(2), 5);
  expect(losses.at(-1)).toBeLessThan(0.6);
}, 60_000);

test("a job waits while it is paused, goes on to the same adapter, and is cancelled for good", async () => {
  const file = await upload(chats(24));
  const order = {
    model: "model",
    training_file: file.id,
    seed: 3,
    lowrank: { options: { r: 2, steps: 300, lr: 0.01 } },
  };
  const adapter = async (id: string) => {
    const path = folder.at(join("store/.fine-tuning/runs", id, "adapter/adapter_model.safetensors"));
    return sha256(await readFile(path, "hex"));
  };
  const whole = await client().fineTuning.jobs.create(order);
  expect((await ended(whole.id)).status).toBe("succeeded");
  const paused = await client().fineTuning.jobs.create(order);
  const steps = async () => (await readdir(folder.at(`store/.fine-tuning/runs/${paused.id}`)).catch(() => [])).join();
  await expect.poll(steps, { timeout: 20_000 }).toContain("checkpoint-");
  expect((await client().fineTuning.jobs.pause(paused.id)).status).toBe("paused");
  await expect.poll(() => server.stderr().split(paused.id).length, { timeout: 10_000 }).toBeGreaterThan(1);
  await new Promise((resolve) => setTimeout(resolve, 2500));
  expect((await client().fineTuning.jobs.retrieve(paused.id)).status).toBe("paused");
  const before = await steps();
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(await steps()).toBe(before);
  await client().fineTuning.jobs.resume(paused.id);
  expect((await ended(paused.id)).status).toBe("succeeded");
  expect(await adapter(paused.id)).toBe(await adapter(whole.id));

  const endless = { lowrank: { options: { r: 2, steps: 100_000 } } };
  const long = await client().fineTuning.jobs.create({ ...order, ...endless });
  await expect
    .poll(async () => (await client().fineTuning.jobs.retrieve(long.id)).status, { timeout: 20_000 })
    .toBe("running");
  expect((await client().fineTuning.jobs.cancel(long.id)).status).toBe("cancelled");
  const waiting = await client().fineTuning.jobs.create(order);
  expect((await client().fineTuning.jobs.cancel(waiting.id)).status).toBe("cancelled");
  expect((await ended(long.id)).fine_tuned_model).toBeNull();
  await expect.poll(() => readdir(folder.at("store/.fine-tuning/open/model")), { timeout: 10_000 }).toEqual([]);
}, 100_000);

describe("what is wrong is said", () => {
  const refused = async (request: Promise<unknown>) => {
    const error = (await request.then(
      () => null,
      (error) => error,
    )) as InstanceType<typeof OpenAI.APIError> | null;
    return error && [error.status, error.param, error.message.replace(/^\d+ /, "")];
  };

  test("of a file, while it is uploaded", async () => {
    expect(await refused(upload('{"a": 1}\n{"b": \n'))).toEqual([
      ...[400, "file"],
      expect.stringMatching(/^The file is no JSONL of examples: line 2: it is not valid JSON: /),
    ]);
    expect(await refused(upload("[1]\n"))).toEqual([
      400,
      "file",
      "The file is no JSONL of examples: line 1: it is no JSON object.",
    ]);
    expect(await refused(upload(chats(4000)))).toEqual([413, "file", "The file is larger than 200000 bytes."]);
    const file = await toFile(Buffer.from(chats(1)), "a.jsonl");
    expect((await refused(client().files.create({ file, purpose: "batch" })))?.slice(0, 2)).toEqual([400, "purpose"]);
  });

  test("of an order", async () => {
    const file = await upload(chats(3));
    const order = { model: "model", training_file: file.id };
    const create = (more: object) => refused(client().fineTuning.jobs.create({ ...order, ...more } as never));
    expect((await create({ model: "gpt" }))?.slice(0, 2)).toEqual([404, "model"]);
    expect((await create({ training_file: "file-x" }))?.slice(0, 2)).toEqual([400, "training_file"]);
    expect((await create({ method: { type: "reinforcement" } }))?.slice(0, 2)).toEqual([400, "method.type"]);
    expect((await create({ lowrank: { options: { data: "/etc/passwd" } } }))?.slice(0, 2)).toEqual([
      400,
      "lowrank.options",
    ]);
    expect(await create({ lowrank: { options: { method: "full" } } })).toEqual([
      ...[400, "lowrank.options"],
      "Invalid 'lowrank.options': method full trains no adapter, so that its result cannot be served with other adapters; give another method",
    ]);
    expect(await create({ lowrank: { options: { r: -1 } } })).toEqual([
      400,
      "lowrank.options",
      expect.stringContaining("--r"),
    ]);
    expect((await create({ suffix: "a:b" }))?.slice(0, 2)).toEqual([400, "suffix"]);
  });

  test("of examples, with their lines, before a step is trained", async () => {
    const bad = `${chats(2)}{"messages": [{"role": "user", "content": "hi"}]}\n\n{"prompt": 3, "completion": "x"}\n`;
    const file = await upload(bad);
    const job = await client().fineTuning.jobs.create({ model: "model", training_file: file.id });
    const { status, error } = await ended(job.id);
    expect([status, error?.code, error?.param]).toEqual(["failed", "invalid_training_file", "training_file"]);
    expect(error?.message).toMatch(/line 3: a conversation without an assistant turn/);
    expect(error?.message).toMatch(/line 5: .*prompt is 3; expected a string/);
    // A failed job can be resumed, and fails again.
    await client().fineTuning.jobs.resume(job.id);
    expect((await ended(job.id)).status).toBe("failed");
  }, 30_000);
});
