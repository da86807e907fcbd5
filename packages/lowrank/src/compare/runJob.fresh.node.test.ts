import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { describeModel } from "@lowrank/models";
import type { QuantizeOptions } from "@lowrank/nn";
import { LoraConfig, type PeftConfig, PromptTuningConfig, reportAdapter } from "@lowrank/peft";
import { newId, now } from "@lowrank/serve/internal";
import type { FineTuneJob } from "@lowrank/serve/jobs";
import { evaluate, type StepReport } from "@lowrank/train";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { loadWithTokenizer } from "../cli/loading/loading.ts";
import { jobPlaces } from "../fineTuning/jobPlaces.ts";
import { measureQueued } from "../fineTuning/measureQueued.ts";
import { commandFolder } from "../testing/commandFolder.ts";
import type { Job } from "./job.ts";
import { measuredKey, optionsOfRun, runOf } from "./queuedJob.ts";
import { jobExamples, runJob } from "./runJob.ts";

/** Options of the trainers that were made. */
const made = vi.hoisted(() => [] as Record<string, unknown>[]);
vi.mock("@lowrank/train", async (load) => {
  const train = await load<typeof import("@lowrank/train")>();
  const Trainer = class extends train.Trainer {
    constructor(...[model, examples, options]: ConstructorParameters<typeof train.Trainer>) {
      made.push(options as never);
      super(model, examples, options);
    }
  };
  return { ...train, Trainer };
});

const { folder, at } = await commandFolder();
afterAll(() => rm(folder, { recursive: true, force: true }));

const files = { kind: "files", data: [at("pairs.jsonl")], validationFraction: 0.25 } as const;
const job: Job = {
  ...{ model: at("model"), data: { ...files, data: [...files.data] }, method: "lora", seed: 3, r: 2, steps: 21 },
  ...{ targetModules: "all-linear", virtualTokens: 4, batchSize: 4, learningRate: 1e-2, testExamples: 5 },
  ...{ backend: "wasm", threads: 1 },
};

/** Runs a job. Returns its measurements, its steps, and the options of its trainer. */
async function measured(more: Partial<Job> = {}) {
  const steps: StepReport[] = [];
  const usage = vi.spyOn(process, "resourceUsage").mockReturnValue({ maxRSS: 1000 } as never);
  const found = await runJob({ ...job, ...more }, (report) => void steps.push(report)).finally(() =>
    usage.mockRestore(),
  );
  return { found, steps, options: made.at(-1) };
}

/** Returns loss on the test examples and costs of the model as it is loaded for a job. */
async function before(config: PeftConfig | null, maxLength: number, quantize?: QuantizeOptions) {
  const loaded = await loadWithTokenizer(at("model"), { quantize });
  const { test } = await jobExamples(loaded.tokenizer, job, 64);
  const { loss } = await evaluate(loaded.model, test, { batchSize: 4, padTokenId: 1, maxLength });
  return { loss, costs: await reportAdapter(describeModel(loaded.config), config, { quantization: quantize ?? null }) };
}

describe("a run of a comparison", () => {
  test("trains with a cosine schedule, a warm-up of a twentieth of the steps, and batches of equal length", async () => {
    const { found, steps, options } = await measured({ precision: "high" });
    expect(options).toMatchObject({
      ...{ batchSize: 4, padTokenId: 1, maxLength: 64, maxSteps: 21, learningRate: 1e-2, schedule: "cosine" },
      ...{ warmupSteps: 2, groupByLength: true, seed: 3, precision: "high" },
    });
    const { loss, costs } = await before(new LoraConfig({ r: 2, targetModules: "all-linear" }), 64);
    const { trainable, total, percent, bytesSaved } = costs;
    expect(found).toMatchObject({
      ...{ backend: "wasm", trainable, total, percent, bytesSaved, mergeable: true, lossBefore: loss },
      ...{ peakProcessBytes: 1_024_000, testExamples: 5, latencyTokens: 32 },
    });
    const seconds = steps.map((step) => step.seconds).sort((a, b) => a - b);
    expect([steps.length, found.stepMilliseconds]).toEqual([21, 1000 * seconds[10]]);
    expect(found.loss).toBeLessThan(loss);
    expect(found.exactMatch).toBeGreaterThanOrEqual(0);
    for (const value of [found.peakTensorBytes, found.latencyMilliseconds, found.mergedLatencyMilliseconds]) {
      expect(value).toBeGreaterThan(0);
    }
  });

  test("of virtual tokens leaves them room, and is not merged; named settings replace those of the recipe", async () => {
    const more = { method: "prompt", virtualTokens: 6, named: ["virtualTokens"], steps: 1 } as const;
    const { found, options } = await measured(more);
    expect(options).toMatchObject({ maxLength: 58, warmupSteps: 1, maxSteps: 1 });
    const { costs } = await before(new PromptTuningConfig({ numVirtualTokens: 6 }), 58);
    expect(found).toMatchObject({ trainable: costs.trainable, latencyTokens: 29, mergedLatencyMilliseconds: null });
  });

  test("of all weights trains the model itself", async () => {
    const { found } = await measured({ method: "full", steps: 2 });
    expect(found.percent).toBe(100);
    expect(found.loss).not.toBe(found.lossBefore);
    expect(found.mergedLatencyMilliseconds).toBeNull();
  });

  test("of 4-bit weights has doubly quantised ones, also when it is merged", async () => {
    const { found } = await measured({ method: "qlora", steps: 1 });
    const quantize = { quantType: "nf4", doubleQuant: true } as const;
    const { loss } = await before(new LoraConfig({ r: 2, targetModules: "all-linear" }), 64, quantize);
    expect(found.lossBefore).toBe(loss);
    expect(found.mergedLatencyMilliseconds).toBeGreaterThan(0);
  });
});

test("examples are of the embedded task, or of files, in blocks of 256 tokens or of the positions", async () => {
  const { tokenizer } = await loadWithTokenizer(at("model"));
  const task = { ...job, testExamples: 2, data: { kind: "task", trainExamples: 3 } } as const;
  const found = await jobExamples(tokenizer, task, 64);
  expect([found.train.length, found.test.length]).toEqual([3, 2]);
  const text = { ...job, data: { kind: "files" as const, data: [at("text.txt")], validationFraction: 0.5 } };
  const longest = async (positions: number, blockSize?: number) => {
    const { train } = await jobExamples(tokenizer, { ...text, data: { ...text.data, blockSize } }, positions);
    return Math.max(...train.map(({ inputIds }) => inputIds.length));
  };
  expect([await longest(64), await longest(300), await longest(300, 32)]).toEqual([64, 256, 32]);
  const none = { ...job, data: { ...job.data, validationFraction: 0 } } as Job;
  await expect(jobExamples(tokenizer, none, 64)).rejects.toThrow(
    `${at("pairs.jsonl")}: nothing is left to measure on; give --validation, or more data`,
  );
});

describe("a run on a queue", () => {
  const places = jobPlaces(at("store"));
  let ids: string[];
  beforeAll(async () => {
    const pairs = await readFile(at("pairs.jsonl"));
    const content = async function* () {
      yield pairs;
    };
    const facts = { filename: "pairs.jsonl", purpose: "fine-tune", slot: null } as const;
    ids = await Promise.all([1, 2, 3].map(async () => (await places.files.add("lab", content(), facts)).id));
  });

  /** Runs a job with these stored files; `validation` is the id of the file for it. */
  async function queued(
    data: string[],
    validation: string | null,
    more: Partial<Job> = {},
    signal?: AbortSignal,
    forgetting?: string,
  ) {
    const paths = data.map((_, i) => `/elsewhere/${i}/pairs.jsonl`);
    const run = { ...files, data: paths, ...(validation !== null && { validation: "/elsewhere/held.jsonl" }) };
    const order: FineTuneJob = {
      ...{ id: newId("ftjob"), owner: "lab", createdAt: now(), model: "model", name: "run", trainingFile: data[0] },
      ...{
        validationFile: validation,
        method: "comparison",
        hyperparameters: {},
        seed: 0,
        suffix: null,
        metadata: null,
      },
      ...{ priority: 0, limits: null, served: false },
      options: optionsOfRun({
        job: { ...job, model: "x", data: run, steps: 1, ...more },
        data,
        validation,
        forgetting,
      }),
    };
    const place = { attempt: 2, store: at("store"), model: at("model"), threads: 1, wideSimd: false };
    const end = await measureQueued(
      { job: order, ...place, yields: false, pollMs: 1000 },
      signal ?? new AbortController().signal,
    ).catch((error) => error);
    return { order, end };
  }

  test("is measured with the files of the store, and leaves its measurements there", async () => {
    await mkdir(at("scratch"));
    vi.stubEnv("TMPDIR", at("scratch"));
    for (const [data, validation, count] of [
      [ids.slice(0, 2), null, 12],
      [ids.slice(0, 1), ids[2], 24],
    ] as const) {
      const { order, end } = await queued([...data], validation, { testExamples: 30 });
      expect(end).toEqual({ trainedTokens: 0, resultFiles: [], writesAdapter: false });
      const stored = await places.jobs.objects.get(measuredKey(order));
      expect(JSON.parse(new TextDecoder().decode(stored as never))).toMatchObject({
        testExamples: count,
        backend: "wasm",
      });
      expect((await places.jobs.state(order)).progress).toEqual({ status: "running", attempt: 2 });
      expect(runOf(order)).toMatchObject({ data, validation });
    }
    vi.unstubAllEnvs();
    expect(await readdir(at("scratch"))).toEqual([]);
  });

  test("measures the loss on earlier examples, before and after", async () => {
    expect((await measured()).found).not.toHaveProperty("earlierLoss");
    const { found } = await measured({ forgetting: at("pairs.jsonl"), testExamples: 24 });
    const loaded = await loadWithTokenizer(at("model"));
    const all = { ...job, data: { ...files, data: [...files.data] }, forgetting: at("pairs.jsonl"), testExamples: 24 };
    const { earlier } = await jobExamples(loaded.tokenizer, all, 64);
    const { loss } = await evaluate(loaded.model, earlier ?? [], { batchSize: 4, padTokenId: 1, maxLength: 64 });
    expect(earlier).toHaveLength(24);
    expect(found.earlierLossBefore).toBe(loss);
    expect(found.earlierLoss).toBeLessThan(loss);
    const { order, end } = await queued([ids[0]], null, { forgetting: "/elsewhere/earlier.jsonl" }, undefined, ids[1]);
    expect(end).toMatchObject({ writesAdapter: false });
    const stored = await places.jobs.objects.get(measuredKey(order));
    expect(JSON.parse(new TextDecoder().decode(stored as never)).earlierLoss).toBeGreaterThan(0);
  });

  test("fails with the reason, and ends when it is stopped", async () => {
    expect((await queued(["file-gone"], null)).end.detail).toEqual({
      ...{ code: "missing_file", message: "/elsewhere/0/pairs.jsonl is no longer in the store", param: null },
    });
    expect((await queued([ids[0]], null, { method: "none" })).end.detail).toMatchObject({
      ...{ code: "run_failed", message: expect.stringContaining('there is no method "none"'), param: null },
    });
    const task = { data: { kind: "task", trainExamples: 3 } } as const;
    expect((await queued([ids[0]], null, task)).end.message).toBe("the queued run of a comparison has no data files");
    expect((await queued([ids[0]], null, {}, AbortSignal.abort())).end.name).toBe("JobStopped");
  });
});
