import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { newId, now } from "@lowrank/serve/internal";
import { type FineTuneJob, JobStore } from "@lowrank/serve/jobs";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { loadWithTokenizer } from "../cli/loading/loading.ts";
import { commandFolder } from "../testing/commandFolder.ts";
import { fineTune } from "./fineTune.ts";
import { jobPlaces } from "./jobPlaces.ts";

const { folder, at } = await commandFolder();
const places = jobPlaces(at("store"));
beforeAll(() => mkdir(at("store"), { recursive: true }));
afterAll(() => rm(folder, { recursive: true, force: true }));

async function upload(records: readonly object[]): Promise<string> {
  const content = async function* () {
    yield new TextEncoder().encode(records.map((record) => JSON.stringify(record)).join("\n"));
  };
  const facts = { filename: "pairs.jsonl", purpose: "fine-tune", slot: null } as const;
  return (await places.files.add("acme", content(), facts)).id;
}

const pairs = Array.from({ length: 8 }, (_, i) => ({ prompt: `say ${i % 2}: `, completion: "ab"[i % 2] }));

/** Orders a job and trains it; returns the outcome, its log and its state. */
async function run(more: Partial<FineTuneJob> = {}, signal = new AbortController().signal, pollMs = 10_000) {
  const id = newId("ftjob");
  const job: FineTuneJob = {
    ...{ id, owner: "acme", createdAt: now(), model: "model", name: `ft:model:acme::${id.slice(6)}` },
    ...{ trainingFile: await upload(pairs), validationFile: null, method: "supervised", hyperparameters: {} },
    ...{ seed: 1, suffix: null, metadata: null, priority: 0, limits: null, served: true },
    ...{ options: { r: 2, steps: 3, "batch-size": 4, lr: 1e-2 }, ...more },
  };
  await places.jobs.order(job);
  const place = { store: at("store"), model: at("model"), threads: 1, wideSimd: false };
  const order = { job, attempt: 1, ...place, yields: false, pollMs };
  const outcome = await fineTune(order, signal).catch((error) => error);
  const file = (path: string) => readFile(at(`store/.fine-tuning/runs/${id}/${path}`), "utf8");
  return { job, order, outcome, log: await places.jobs.log(job), state: await places.jobs.state(job), file };
}

const messages = ({ log }: Awaited<ReturnType<typeof run>>) => log.map(({ message }) => message);

test("a job leaves an adapter, a log, its progress and its metrics", async () => {
  const found = await run();
  const { outcome, log, state, file } = found;
  expect(outcome).toMatchObject({ writesAdapter: true, resultFiles: [expect.stringMatching(/^file-/)] });
  // "say 0: " has 7 characters and a BOS token; an answer has one character and EOS. Three steps of four examples.
  const each = outcome.trainedTokens / 12;
  expect([9, 10]).toContain(each);
  expect(messages(found)[0]).toBe("Fine-tuning job started: 8 examples, 3 steps");
  const steps = log.filter(({ key }) => key.startsWith("step-"));
  expect(steps.map(({ data }) => [data?.step, data?.total_steps])).toEqual([
    [1, 3],
    [2, 3],
    [3, 3],
  ]);
  expect(steps[0]).toMatchObject({ level: "info", type: "metrics", data: { learning_rate: 1e-2 } });
  expect(steps[0].message).toBe(`Step 1/3: training loss=${steps[0].data?.train_loss.toFixed(4)}`);
  expect(state.progress).toMatchObject({
    ...{ status: "running", attempt: 1, step: 3, steps: 3 },
    hyperparameters: { n_epochs: 3, batch_size: 4, learning_rate_multiplier: 1 },
  });
  expect(Math.abs(state.progress!.finishAt! - now())).toBeLessThan(60);
  expect(JSON.parse(await file("adapter/adapter_config.json"))).toMatchObject({
    r: 2,
    base_model_name_or_path: "model",
  });
  const stored = (await places.files.find("acme", outcome.resultFiles[0]))!;
  let csv = "";
  for await (const piece of places.files.content(stored)) csv += new TextDecoder().decode(piece);
  const rows = csv.trimEnd().split("\n");
  expect(rows[0]).toBe("step,train_loss,learning_rate,valid_loss");
  expect(rows.slice(1).map((row) => row.split(",")[0])).toEqual(["1", "2", "3"]);
  expect(rows[1].endsWith(",")).toBe(true);
});

test("epochs and batch size give the steps, and a rate is a multiple of the usual one", async () => {
  const options = { r: 2 };
  const hyperparameters = { n_epochs: 2, batch_size: 2, learning_rate_multiplier: 0.5 };
  const usual = await run({
    options,
    hyperparameters: { n_epochs: 1, batch_size: 8, learning_rate_multiplier: "auto" },
  });
  const half = await run({ options, hyperparameters });
  const rate = (found: typeof half) => found.log.find(({ key }) => key === "step-1")?.data?.learning_rate ?? 0;
  expect(rate(half)).toBe(rate(usual) / 2);
  expect(half.log.filter(({ key }) => key.startsWith("step-"))).toHaveLength(8);
  expect(half.state.progress?.hyperparameters).toEqual(hyperparameters);
  expect(usual.log.filter(({ key }) => key.startsWith("step-"))).toHaveLength(1);
  expect(half.outcome.trainedTokens).toBe(2 * usual.outcome.trainedTokens);
});

test("a comparison of answers trains by DPO, and validations are in the log", async () => {
  const compared = pairs.map(({ prompt, completion }) => ({ prompt, chosen: completion, rejected: "z" }));
  const files = { trainingFile: await upload(compared), validationFile: await upload(compared.slice(0, 2)) };
  const options = { r: 2, steps: 2, "batch-size": 4, lr: 1e-2, "eval-every": 1 };
  const found = await run({ ...files, method: "dpo", options });
  expect(found.state.progress?.hyperparameters).toMatchObject({ beta: 0.1 });
  const validations = found.log.filter(({ key }) => key.startsWith("validation-"));
  expect(validations.map(({ data }) => data?.step)).toEqual([0, 1, 2]);
  // Before the first step, the model equals its reference.
  expect(validations[0].data?.valid_loss).toBeCloseTo(Math.log(2), 5);
  expect(validations[0].message).toBe("Step 0/2: validation loss=0.6931");
  const strong = await run({ ...files, method: "dpo", options, hyperparameters: { beta: 0.5 } });
  expect(strong.state.progress?.hyperparameters).toMatchObject({ beta: 0.5 });
});

test("texts that are longer than the model are cut, and the log has their number", async () => {
  // With BOS and EOS, the first of these has 64 tokens.
  const long = [61, 70].map((length) => ({ prompt: "a".repeat(length), completion: "b" }));
  const found = await run({ trainingFile: await upload([...pairs, ...long]) });
  expect(found.log.find(({ key }) => key === "cut")).toMatchObject({
    ...{ level: "warn", message: "1 texts are longer than 64 tokens; what goes beyond is not learned" },
  });
  expect(messages(await run())).not.toContainEqual(expect.stringContaining("longer than"));
});

test.each([2, 3])("a job of 3 steps is within the limit of its key of %d or is refused", async (steps) => {
  const { outcome } = await run({ limits: { steps, jobMinutes: null, trainerMinutes: null } });
  if (steps === 3) expect(outcome).toMatchObject({ writesAdapter: true });
  else {
    expect(outcome.detail).toEqual({
      ...{ code: "steps_exceeded", param: "lowrank.options" },
      message: "The training would take 3 steps, and one fine-tune of this key may have 2.",
    });
  }
});

test("a file that was deleted and data without an example refuse the job", async () => {
  const gone = await run({ trainingFile: "file-gone" });
  expect(gone.outcome.detail).toEqual({
    ...{ code: "invalid_training_file", message: "The file 'file-gone' was deleted.", param: "training_file" },
  });
  expect(gone.state.progress).toEqual({ status: "validating_files", attempt: 1 });
  const none = await run({ validationFile: "file-gone" });
  expect(none.outcome.detail).toMatchObject({ code: "invalid_validation_file", param: "validation_file" });
});

test("a run that is stopped ends as such", async () => {
  const { outcome } = await run({}, AbortSignal.abort());
  expect(outcome).toMatchObject({ name: "JobStopped" });
});

test("a job that is paused in the store stops", async () => {
  const paused = vi.spyOn(JobStore.prototype, "isStopped").mockResolvedValue(true);
  const { outcome } = await run({ options: { r: 2, steps: 100_000, "batch-size": 4 } }, undefined, 1);
  paused.mockRestore();
  expect(outcome).toMatchObject({ name: "JobStopped" });
});

test("gradients are checkpointed only if the order asks for it", async () => {
  const { model } = await loadWithTokenizer(at("model"));
  const enable = vi.spyOn(Object.getPrototypeOf(model), "gradientCheckpointingEnable");
  const calls: number[] = [];
  for (const on of [false, true]) {
    await run({ options: { r: 2, steps: 1, "gradient-checkpointing": on } });
    calls.push(enable.mock.calls.length);
  }
  enable.mockRestore();
  expect(calls).toEqual([0, 1]);
});

test.each(["supervised", "dpo"] as const)("one example is a validation, and none is none: %s", async (method) => {
  const records = method === "dpo" ? pairs.map(({ prompt }) => ({ prompt, chosen: "a", rejected: "b" })) : pairs;
  const trainingFile = await upload(records);
  for (const validationFile of [null, await upload(records.slice(0, 1))]) {
    const { outcome, log } = await run({ method, trainingFile, validationFile, options: { r: 2, steps: 1 } });
    expect(outcome).toMatchObject({ writesAdapter: true });
    expect(log.some(({ key }) => key.startsWith("validation-"))).toBe(validationFile !== null);
  }
});

test("progress is stored at the first step and with each checkpoint, of which three are kept", async () => {
  const progress = vi.spyOn(JobStore.prototype, "progress");
  const { job, order } = await run({ options: { r: 2, steps: 12, "batch-size": 2 } });
  const steps = progress.mock.calls.flatMap(([, { step }]) => step ?? []);
  progress.mockRestore();
  expect(steps).toEqual([1, 2, 4, 6, 8, 10, 12]);
  const files = await readdir(at(`store/.fine-tuning/runs/${job.id}`), { recursive: true });
  const kept = files.flatMap((name) => /^checkpoint-(\d+).trainer_state.json$/.exec(name)?.[1] ?? []);
  expect(kept.map(Number).sort((a, b) => a - b)).toEqual([8, 10, 12]);
  // A second attempt goes on after the last checkpoint, and keeps the log before it.
  await fineTune({ ...order, attempt: 2 }, new AbortController().signal);
  const log = await places.jobs.log(job);
  expect(log.filter(({ key }) => /^step-/.test(key))).toHaveLength(12);
  expect(log.map(({ message }) => message)).toContain("Resumed from the checkpoint of step 12");
  expect(log[0].message).toBe("Fine-tuning job started: 8 examples, 12 steps");
});
