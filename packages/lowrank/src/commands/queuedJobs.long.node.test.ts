import { createHash } from "node:crypto";
import { EventEmitter } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { nanoModelFolder } from "@lowrank/nano";
import type { ServingLogger } from "@lowrank/serve/http";
import { adapterFolder, type JobEnd, JobRefused, JobStopped, type JobWorker, type OpenJob } from "@lowrank/serve/jobs";
import { afterAll, beforeEach, describe, expect, test, vi } from "vitest";
import { Interrupted } from "../cli/process/interrupt.ts";
import type { Job, Measured, Outcome } from "../compare/job.ts";
import { measuredKey, runOf } from "../compare/queuedJob.ts";
import type { Order } from "../fineTuning/fineTune.ts";
import { jobPlaces } from "../fineTuning/jobPlaces.ts";
import { compareCommand } from "./compare/compare.ts";
import { runJobs } from "./compare/runJobs.ts";
import { runQueued } from "./compare/runQueued.ts";
import type { ServeSettings } from "./serve/serveSettings.ts";
import { startFineTuning } from "./serve/startFineTuning.ts";
import { runSweep } from "./sweep/runSweep.ts";
import type { SweepCommandOptions } from "./sweep/sweep.ts";
import { runWorker } from "./worker/runWorker.ts";
import type { WorkerCommandOptions } from "./worker/worker.ts";

/** Stubs for the modules below, without Redis, processes of jobs and signals. */
const fakes = vi.hoisted(() => ({
  /** Calls of the queue and of what it made, in their order. */
  calls: [] as unknown[][],
  added: async (_: OpenJob): Promise<void> => {},
  train: async (_order: Order, _plugins: readonly string[], _signal: AbortSignal): Promise<void> => {},
  worker: undefined as JobWorker | undefined,
  /** Does what the process of a run of a comparison does, with the messages that it sends. */
  child: async (_child: EventEmitter, _job: Job): Promise<void> => {},
  interrupt: (): void => {},
}));

vi.mock("@lowrank/serve/jobs", async (original) => {
  const jobs = await original<typeof import("@lowrank/serve/jobs")>();
  return {
    ...jobs,
    bullQueue: async (options: object) => {
      fakes.calls.push(["open", options]);
      const add = async (job: OpenJob) => {
        fakes.calls.push(["add", job.id]);
        await fakes.added(job);
      };
      const work = async (worker: JobWorker) => {
        fakes.worker = worker;
        return { close: async () => void fakes.calls.push(["stop working"]) };
      };
      return { add, work, close: async () => void fakes.calls.push(["close"]) };
    },
    keepFilled: (_: object, __: object, model: string, { everyMs }: { everyMs?: number }) => {
      fakes.calls.push(["fill", model, everyMs]);
      return () => void fakes.calls.push(["stop filling"]);
    },
  };
});
vi.mock("../fineTuning/trainInProcess.ts", () => ({
  trainInProcess: async (order: Order, plugins: readonly string[], signal: AbortSignal) => {
    await fakes.train(order, plugins, signal);
    return { trainedTokens: 1, resultFiles: [], writesAdapter: false };
  },
}));
vi.mock("node:child_process", async (original) => ({
  ...(await original<object>()),
  fork: (script: string, plugins: readonly string[], options: object) => {
    fakes.calls.push(["fork", basename(script), plugins, options]);
    const child = new EventEmitter();
    return Object.assign(child, { send: (job: Job) => void setImmediate(() => fakes.child(child, job)) });
  },
}));
vi.mock("../cli/loading/backends.ts", async (original) => ({
  ...(await original<object>()),
  startBackend: async (name: string, settings: object) => void fakes.calls.push(["start", name, settings]),
}));
vi.mock("../cli/process/interrupt.ts", async (original) => ({
  ...(await original<object>()),
  withInterrupt: (note: () => void, work: (signal: AbortSignal) => Promise<unknown>) => {
    const controller = new AbortController();
    fakes.interrupt = () => {
      note();
      controller.abort(new Interrupted("SIGINT"));
    };
    return work(controller.signal);
  },
}));

const folder = await mkdtemp(join(tmpdir(), "lowrank-queued-"));
afterAll(() => rm(folder, { recursive: true, force: true }));
const at = (name: string) => join(folder, name);
const lines = (count: number) => '{"text": "a"}\n'.repeat(count);
for (const [name, count] of [
  ["a.jsonl", 1],
  ["b.NDJSON", 2],
  ["v.jsonl", 3],
] as const) {
  await writeFile(at(name), lines(count));
}
const out = vi.spyOn(console, "log").mockImplementation(() => {});
const err = vi.spyOn(console, "error").mockImplementation(() => {});
beforeEach(() => {
  for (const spy of [out, err]) spy.mockClear();
  const interrupt = () => {
    throw new Error("nothing to interrupt");
  };
  Object.assign(fakes, { calls: [], added: async () => {}, train: async () => {}, interrupt });
});
const said = () => ({ out: out.mock.calls.map(String), err: err.mock.calls.map(String) });
const kinds = () => fakes.calls.map(([kind]) => kind);

/** Ends a job in a store as a worker does, with its losses and its adapter. */
async function settle(store: string, { owner, id }: OpenJob, end: object, losses: readonly object[] = []) {
  const { jobs } = jobPlaces(store);
  const { job } = (await jobs.find(owner, id))!;
  const events = losses.map((data, i) => ({ key: `${i}`, at: 1, level: "info", message: "", type: "metrics", data }));
  await jobs.writeLog(job, 1, events as never);
  await jobs.objects.put(`${adapterFolder(id)}/adapter_config.json`, JSON.stringify(job.options));
  await jobs.finish(job, { status: "succeeded", at: 1, ...end } as JobEnd);
  await jobs.close(job);
  return job;
}

describe("lowrank sweep", () => {
  const plan = { model: "models/llama.gguf", data: [at("a.jsonl"), at("b.NDJSON")], r: 4, sweep: { lr: [0.1, 0.2] } };
  const sweep = async (name: string, more: object = {}, options: Partial<SweepCommandOptions> = {}) => {
    const file = at(`${name}.json`);
    await writeFile(file, JSON.stringify({ ...plan, output: at(name), ...more }));
    await runSweep(file, { jobs: 1, threads: 2, ...options }, ["plugin"]);
  };
  /** Writes the losses and the adapter of a trial as its process does. The second waits until the first is printed. */
  const trains =
    (lossOf: (lr: number) => readonly object[]) =>
    async ({ job, store }: Order) => {
      const { jobs } = jobPlaces(store);
      if (job.options.lr === 0.2) await vi.waitFor(() => expect(said().err.join()).toContain("trial 1"));
      const events = lossOf(Number(job.options.lr)).map((data, i) => ({ key: `${i}`, type: "metrics", data }));
      await jobs.writeLog(job, 1, events as never);
      await jobs.objects.put(`${adapterFolder(job.id)}/adapter_config.json`, JSON.stringify(job.options));
    };

  test("trains each trial once, and writes table, page and the best adapter", async () => {
    const orders: Order[] = [];
    const train = trains((lr) => [
      { step: 1, train_loss: 3 },
      { step: 2, train_loss: 1 / lr },
      { step: 2, valid_loss: 2 / lr },
    ]);
    fakes.train = async (order, plugins) => {
      orders.push(order);
      expect(plugins).toEqual(["plugin"]);
      await train(order);
    };
    await sweep("grid", { validation: at("v.jsonl"), seed: 7 });
    expect(said().err).toEqual([
      "2 trials of lr",
      "trial 1: lr 0.1: loss 20.0000 (1 of 2)",
      "trial 2: lr 0.2: loss 10.0000 (2 of 2)",
      "no trainable parameters and no Pareto front: there is no file or folder models/llama.gguf",
    ]);
    const [first, second] = orders;
    expect(first).toMatchObject({ attempt: 1, store: at("grid/store"), model: "models/llama.gguf", threads: 2 });
    expect(first).toMatchObject({ wideSimd: false, yields: false, pollMs: 1000 });
    const { id, trainingFile, validationFile, ...job } = first.job;
    expect(id).toMatch(/^ftjob-[0-9a-f]{32}$/);
    expect(id).not.toBe(second.job.id);
    expect(job).toMatchObject({
      ...{ owner: "lowrank sweep", model: "llama", name: `sweep:${id}`, method: "supervised", seed: 7, served: false },
      ...{ options: { r: 4, lr: 0.1 }, hyperparameters: {}, suffix: null, metadata: null, priority: 0, limits: null },
    });
    expect(job.options).not.toHaveProperty("seed");
    const { files } = jobPlaces(at("grid/store"));
    const text = `${lines(1)}\n${lines(2)}\n`;
    const digest = createHash("sha256").update(text).digest("hex").slice(0, 32);
    expect(trainingFile).toBe(`file-${digest}`);
    expect(await files.find("lowrank sweep", trainingFile)).toMatchObject({
      ...{ filename: "a.jsonl, b.NDJSON", purpose: "fine-tune", slot: null, bytes: text.length, lines: 3 },
    });
    expect(await files.find("lowrank sweep", validationFile!)).toMatchObject({ filename: "v.jsonl", lines: 3 });
    expect((await readdir(at("grid"))).sort()).toEqual(["best", "store", "sweep.csv", "sweep.html", "sweep.json"]);
    expect(JSON.parse(await readFile(at("grid/best/adapter_config.json"), "utf8"))).toEqual({ r: 4, lr: 0.2 });
    expect(await readFile(at("grid/sweep.csv"), "utf8")).toBe(
      "trial,lr,validation_loss,training_loss,steps,result\n2,0.2,10,5,2,succeeded\n1,0.1,20,10,2,succeeded\n",
    );
    const json = await readFile(at("grid/sweep.json"), "utf8");
    expect(json).toMatch(/^\{\n {2}"model": .*\n\}\n$/s);
    expect(JSON.parse(json).results.map(({ number }: { number: number }) => number)).toEqual([2, 1]);
    expect(await readFile(at("grid/sweep.html"), "utf8")).toContain("The best: lr 0.2.");
    expect(said().out.at(0)).toMatch(/^trial +lr +validation loss/);
    expect(said().out.slice(3)).toEqual([
      `wrote ${at("grid")}: sweep.html, sweep.csv, sweep.json`,
      `best: trial 2; lowrank generate --model models/llama.gguf --adapter ${at("grid/best")} --prompt "..."`,
    ]);
    // The same command trains nothing again.
    for (const spy of [out, err]) spy.mockClear();
    await sweep("grid", { validation: at("v.jsonl"), seed: 7 }, { json: true });
    expect(orders).toHaveLength(2);
    expect(said().out).toHaveLength(1);
    expect(JSON.parse(said().out[0])).toEqual(
      [second, first].map(({ job: { id, options } }, i) => ({
        ...{ number: 2 - i, id, options: { lr: options.lr }, status: "succeeded", error: null },
        ...{ trainingLoss: [5, 10][i], validationLoss: [10, 20][i] },
      })),
    );
  });

  test("without a loss prints the status, and without a validation file has no validation loss", async () => {
    const seeds: number[] = [];
    const train = trains(() => []);
    fakes.train = async (order) => {
      seeds.push(order.job.seed);
      await train(order);
    };
    await sweep("bare", {}, { json: true, output: at("elsewhere"), wideSimd: true });
    expect(said().err.slice(1)).toEqual(["trial 1: lr 0.1: succeeded (1 of 2)", "trial 2: lr 0.2: succeeded (2 of 2)"]);
    expect(JSON.parse(said().out[0])[0]).toMatchObject({ trainingLoss: null, validationLoss: null });
    expect(await readdir(folder)).not.toContain("bare");
    expect(seeds).toEqual([0, 0]);
    expect(await readdir(at("elsewhere"))).toContain("best");
  });

  test("fails if each trial has failed, and tries failed trials again", async () => {
    const attempts: unknown[] = [];
    const train = trains(() => [{ step: 1, train_loss: 2 }]);
    fakes.train = async (order) => {
      attempts.push(order.job.options.lr);
      await train(order);
      if (attempts.length <= 2) throw new JobRefused({ code: "invalid", message: "bad data", param: null });
    };
    await expect(sweep("failed")).rejects.toThrow("no trial succeeded; the table above shows the errors");
    expect(said().err.slice(1)).toEqual(["trial 1: lr 0.1: bad data (1 of 2)", "trial 2: lr 0.2: bad data (2 of 2)"]);
    expect(said().out.at(-1)).toBe(`wrote ${at("failed")}: sweep.html, sweep.csv, sweep.json`);
    expect(await readdir(at("failed"))).not.toContain("best");
    await sweep("failed");
    expect(attempts).toEqual([0.1, 0.2, 0.1, 0.2]);
    expect(said().out.at(-1)).toContain("best: trial 1; ");
  });

  test("interrupted ends with the signal, after its trial is back in the queue", async () => {
    let stopped = false;
    fakes.train = async (_, __, signal) => {
      fakes.interrupt();
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      stopped = true;
      throw new JobStopped();
    };
    const ended = await sweep("stopped").catch((error) => error);
    expect([ended.exitCode, ended.message, stopped]).toEqual([130, "stopped by SIGINT", true]);
    expect(said().err.at(-1)).toBe(
      "stopping: trials save a checkpoint, and continue when the command is started again",
    );
  });

  test("with a queue leaves the trials to its workers", async () => {
    const store = at("shared");
    fakes.added = async (job) => void (await settle(store, job, {}, [{ step: 1, train_loss: 2 }]));
    await sweep("queued", {}, { queue: "redis://host", store });
    const [[, { url, model, onError }]] = fakes.calls as [string, Record<string, never>][];
    expect([url, model]).toEqual(["redis://host", "llama"]);
    (onError as (error: Error) => void)(new Error("gone"));
    expect(said().err.at(-1)).toBe("warning: queue: gone");
    expect(fakes.calls[1]).toEqual(["fill", "llama", undefined]);
    expect(kinds()).toEqual(["open", "fill", "add", "add", "stop filling", "close"]);
    expect(said().out.at(-1)).toContain("best: trial 1; ");
    // Trials that have ended are not added again.
    fakes.calls = [];
    await sweep("queued again", {}, { queue: "redis://host", store });
    expect(kinds()).toEqual(["open", "fill", "stop filling", "close"]);
  });

  test.each<[string, object, Partial<SweepCommandOptions>, string]>([
    ["a queue without a store", {}, { queue: "redis://x" }, "--queue needs --store too; give both, or neither"],
    ["a store without a queue", {}, { store: "x" }, "--store needs --queue too; give both, or neither"],
    ["no output", { output: undefined }, {}, ": output is missing; add it to the file, or give --output"],
    [
      "texts",
      { data: at("a.txt") },
      {},
      `${at("a.txt")}: a sweep needs data as JSONL, one example per line; convert the file to .jsonl`,
    ],
    ["a missing file", { data: at("none.jsonl") }, {}, `there is no file ${at("none.jsonl")}`],
    ["a folder", { data: at("folder.jsonl") }, {}, `there is no file ${at("folder.jsonl")}`],
  ])("refuses %s", async (_, more, options, message) => {
    await mkdir(at("folder.jsonl"), { recursive: true });
    await expect(sweep("refused", more, options)).rejects.toThrow(message);
  });
});

describe("lowrank compare", () => {
  const compare = (...words: string[]) => compareCommand(["plugin"]).parseAsync(words, { from: "user" });
  const measured = (more: Partial<Measured> = {}): Measured => ({
    ...{ backend: "wasm", trainable: 1000, total: 100_000, percent: 1, bytesSaved: 4000, mergeable: true },
    ...{ peakProcessBytes: 5e8, peakTensorBytes: 2e8, stepMilliseconds: 10.4, lossBefore: 3.25, loss: 1 },
    ...{ exactMatch: 0.505, testExamples: 10, latencyMilliseconds: 3, mergedLatencyMilliseconds: 2, latencyTokens: 64 },
    ...more,
  });
  const tells = (child: EventEmitter, outcome: Outcome) => {
    child.emit("message", { outcome });
    child.emit("close", 0, null);
  };
  /** Passes 2 s for each run. */
  const clock = () => {
    let now = 0;
    const spy = vi.spyOn(performance, "now").mockImplementation(() => now);
    const tick = () => {
      now += 2000;
    };
    return { tick, stop: () => spy.mockRestore() };
  };

  test("runs each method and seed in a process, prints them, and writes the comparison", async () => {
    const { tick, stop } = clock();
    const jobs: Job[] = [];
    fakes.child = async (child, job) => {
      tick();
      jobs.push(job);
      child.emit("message", { step: 1, of: 3, loss: 2 });
      tells(child, {
        job,
        measured: measured({ loss: 1 + job.seed, exactMatch: job.method === "ia3" ? null : 0.505 }),
      });
    };
    const words = ["--methods", "lora,ia3", "--seeds", "2", "--steps", "3", "--lr", "ia3=0.5", "--output", at("table")];
    await compare(...words);
    const job = {
      ...{ model: null, data: { kind: "task", trainExamples: 600 }, r: 16, targetModules: "all-linear" },
      ...{ virtualTokens: 20, steps: 3, batchSize: 8, testExamples: 200, backend: "wasm", threads: 1 },
    };
    const rate = jobs[0].learningRate;
    expect(rate).toBeLessThan(0.1);
    expect(jobs).toEqual([
      { ...job, method: "lora", seed: 0, learningRate: rate },
      { ...job, method: "ia3", seed: 0, learningRate: 0.5 },
      { ...job, method: "lora", seed: 1, learningRate: rate },
      { ...job, method: "ia3", seed: 1, learningRate: 0.5 },
    ]);
    const fork = ["fork", "runChild.ts", ["plugin"], { stdio: ["ignore", "ignore", "inherit", "ipc"] }];
    expect(fakes.calls).toEqual([["start", "wasm", { threads: 1 }], fork, fork, fork, fork]);
    expect(said().err).toEqual([
      "[1/4] lora, seed 0: loss 1.0000, 50.5 % right, 10 ms a step | about 6.0 s left",
      "[2/4] ia3, seed 0: loss 1.0000, 10 ms a step | about 4.0 s left",
      "[3/4] lora, seed 1: loss 2.0000, 50.5 % right, 10 ms a step | about 2.0 s left",
      "[4/4] ia3, seed 1: loss 2.0000, 10 ms a step",
      `wrote comparison.md, comparison.csv, comparison.json, comparison.html to ${at("table")}`,
    ]);
    const text = (name: string) => readFile(at(`table/comparison.${name}`), "utf8");
    expect(said().out).toHaveLength(1);
    expect(said().out[0]).toMatch(/^nano learns JavaScript .* 2 seeds; loss before training 3.2500\n/);
    expect(await text("md")).toMatch(/^nano learns JavaScript .*[^\n]\n$/s);
    expect(await text("csv")).toMatch(/^method,trainable,.*[^\n]\n$/s);
    expect(await text("html")).toMatch(/^<!doctype html>.*<\/html>\n$/s);
    expect(JSON.parse(await text("json")).runs).toHaveLength(4);
    // Measured runs are kept, and do not count for the time that is left.
    await rm(at("table/runs/lora-1.json"));
    for (const spy of [out, err]) spy.mockClear();
    await compare(...words, "--json");
    stop();
    expect(jobs).toHaveLength(5);
    expect(said().err.slice(0, 4)).toEqual([
      "[1/4] lora, seed 0: loss 1.0000, 50.5 % right, 10 ms a step (kept)",
      "[2/4] ia3, seed 0: loss 1.0000, 10 ms a step (kept)",
      "[3/4] lora, seed 1: loss 2.0000, 50.5 % right, 10 ms a step | about 2.0 s left",
      "[4/4] ia3, seed 1: loss 2.0000, 10 ms a step (kept)",
    ]);
    expect(JSON.parse(said().out[0]).methods).toHaveLength(2);
  });

  test("shows the steps on a terminal alone", async () => {
    const written: string[] = [];
    const write = vi.spyOn(process.stderr, "write").mockImplementation((text) => {
      written.push(String(text));
      return true;
    });
    const { isTTY } = process.stderr;
    fakes.child = async (child, job) => {
      child.emit("message", { step: 1, of: 3, loss: 2 });
      tells(child, { job, measured: measured() });
    };
    try {
      for (const isTTY of [true, false]) {
        process.stderr.isTTY = isTTY;
        await compare("--methods", "lora", "--seeds", "1");
        expect(written).toEqual(["\r\x1b[Klora, seed 0: step 1 of 3, loss 2.0000", "\r\x1b[K"]);
      }
    } finally {
      process.stderr.isTTY = isTTY;
      write.mockRestore();
    }
  });

  test("prints the errors of runs, and fails if there is nothing else", async () => {
    const ends: Record<string, (child: EventEmitter, job: Job) => void> = {
      lora: (child) => child.emit("close", 3, null),
      ia3: (child) => child.emit("close", null, "SIGKILL"),
      vera: (child, job) => tells(child, { job, error: "no memory" }),
      dora: (child, job) => tells(child, { job, measured: measured() }),
    };
    fakes.child = async (child, job) => ends[job.method](child, job);
    const words = ["--seeds", "1", "--methods"];
    await expect(compare(...words, "lora,ia3,vera")).rejects.toThrow("no run succeeded; see the errors above");
    expect(said().err.map((line) => line.replace(/ \|.*/, ""))).toEqual([
      "[1/3] lora, seed 0: failed: its process ended with exit code 3 before it was done",
      "[2/3] ia3, seed 0: failed: its process ended with SIGKILL before it was done",
      "[3/3] vera, seed 0: failed: no memory",
    ]);
    await compare(...words, "lora,dora");
    fakes.child = async (child) => void child.emit("error", new Error("no processes left"));
    await expect(compare(...words, "lora")).rejects.toThrow("no processes left");
    // No run is tried again.
    expect(kinds().filter((kind) => kind === "fork")).toHaveLength(3 + 2 + 1);
    expect(await runJobs([], { folder: null, plugins: [], step: () => {}, done: () => {} })).toEqual([]);
  });

  test("gives the settings that were named, and the files, to each run", async () => {
    const jobs: Job[] = [];
    fakes.child = async (child, job) => {
      jobs.push(job);
      tells(child, { job, measured: measured() });
    };
    const model = fileURLToPath(nanoModelFolder);
    const files = ["--model", model, "--data", at("a.jsonl"), at("b.NDJSON"), "--methods", "lora", "--seeds", "1"];
    await compare(...files, "--virtual-tokens", "20", "--precision", "high", "--threads", "2");
    await compare(...files, "--target-modules", "q_proj,v_proj", "--validation", at("v.jsonl"), "--block-size", "16");
    const data = { kind: "files", data: [at("a.jsonl"), at("b.NDJSON")], validationFraction: 0.1 };
    expect(jobs[0]).toMatchObject({ model, data, named: ["virtualTokens"], precision: "high", threads: 2 });
    expect(fakes.calls[0]).toEqual(["start", "wasm", { threads: 2 }]);
    expect(jobs[1]).toMatchObject({
      ...{ named: ["targetModules"], targetModules: ["q_proj", "v_proj"] },
      data: { ...data, validation: at("v.jsonl"), blockSize: 16 },
    });
    // The workers of a queue start their own backends.
    fakes.calls = [];
    fakes.added = async (job) => void (await settle(at("by workers"), job, { status: "failed", reason: "asked" }));
    const place = ["--queue", "redis://host", "--store", at("by workers")];
    await expect(compare(...files, ...place)).rejects.toThrow("no run succeeded; see the errors above");
    expect(kinds()).toEqual(["open", "fill", "add", "stop filling", "close"]);
    expect(said().err.at(-1)).toBe("[1/1] lora, seed 0: failed: asked");
  });
});

describe("lowrank compare on a queue", () => {
  const store = at("compared");
  const job = (method: string, more: object = {}): Job & { model: string } => ({
    ...{ model: "models/llama", method, seed: 3, r: 8, targetModules: "all-linear", virtualTokens: 20, steps: 3 },
    ...{ batchSize: 4, learningRate: 1e-3, testExamples: 10, backend: "wasm", threads: 1 },
    data: { kind: "files", data: [at("a.jsonl"), at("b.NDJSON")], validation: at("v.jsonl"), validationFraction: 0.1 },
    ...more,
  });
  const jobs = [job("lora"), job("vera"), job("ia3")];
  const measured = { loss: 1.5 } as Measured;
  const run = async (folder: string | null, some = jobs) => {
    const told: [string, number, boolean][] = [];
    const done = ({ job }: Outcome, number: number, kept: boolean) => void told.push([job.method, number, kept]);
    const outcomes = await runQueued(some, { queue: "redis://host", store }, { folder, done });
    return { told, outcomes: outcomes.map(({ job: { method }, ...outcome }) => [method, outcome]) };
  };
  const ends = { lora: {}, vera: { status: "failed", error: { message: "no memory" } }, ia3: { status: "cancelled" } };
  const works = async (open: OpenJob) => {
    const { jobs } = jobPlaces(store);
    const { job } = (await jobs.find(open.owner, open.id))!;
    const { method } = runOf(job).job;
    if (method === "lora") await jobs.objects.put(measuredKey(job), JSON.stringify(measured));
    await settle(store, open, ends[method as keyof typeof ends]);
  };

  test("takes the outcomes of its workers in the order of the jobs, and keeps them", async () => {
    fakes.added = works;
    const { told, outcomes } = await run(at("kept"));
    expect(told).toEqual([
      ["lora", 1, false],
      ["vera", 2, false],
      ["ia3", 3, false],
    ]);
    const all = [
      ["lora", { measured }],
      ["vera", { error: "no memory" }],
      ["ia3", { error: "the job was cancelled" }],
    ];
    expect(outcomes).toEqual(all);
    const [[, { url, model, onError }]] = fakes.calls as [string, Record<string, never>][];
    expect([url, model, kinds()]).toEqual([
      ...["redis://host", "llama"],
      ["open", "fill", "add", "add", "add", "stop filling", "close"],
    ]);
    (onError as (error: Error) => void)(new Error("gone"));
    expect(said().err).toEqual(["warning: queue: gone"]);
    const places = jobPlaces(store);
    const id = fakes.calls[2][1] as string;
    expect(id).toMatch(/^ftjob-[0-9a-f]{32}$/);
    const { job: order } = (await places.jobs.find("lowrank compare", id))!;
    expect(order).toMatchObject({
      ...{ owner: "lowrank compare", model: "llama", name: `compare:${id}`, method: "comparison", seed: 3 },
      ...{ served: false, priority: 0, limits: null, suffix: null, metadata: null, hyperparameters: {} },
    });
    const digest = (text: string) => `file-${createHash("sha256").update(text).digest("hex").slice(0, 32)}`;
    const [a, b, v] = [1, 2, 3].map((count) => digest(lines(count)));
    expect([order.trainingFile, order.validationFile, runOf(order)]).toEqual([
      ...[a, v],
      { job: jobs[0], data: [a, b], validation: v },
    ]);
    expect(await places.files.find("lowrank compare", b)).toMatchObject({ filename: "b.NDJSON", slot: null, lines: 2 });
    // Only measurements are kept, and a failed run is tried again.
    fakes.calls = [];
    const again = await run(at("kept"));
    expect(again.told).toEqual([
      ["lora", 1, true],
      ["vera", 2, false],
      ["ia3", 3, false],
    ]);
    expect(again.outcomes).toEqual(all);
    expect(kinds()).toEqual(["open", "fill", "add", "stop filling", "close"]);
  });

  test("takes what is in the store already, without files of its own", async () => {
    fakes.added = works;
    const { told, outcomes } = await run(null, [jobs[0]]);
    expect([told, outcomes]).toEqual([[["lora", 1, false]], [["lora", { measured }]]]);
    expect(kinds()).toEqual(["open", "fill", "stop filling", "close"]);
    const bare = { kind: "files", data: [at("a.jsonl")], validationFraction: 0.1 };
    fakes.added = async (open) => void (await settle(store, open, { status: "failed", reason: "killed" }));
    expect((await run(null, [job("lora", { data: bare })])).outcomes).toEqual([["lora", { error: "killed" }]]);
  });

  test("interrupted ends with the signal, and the workers go on", async () => {
    const running = run(null, [job("dora")]).catch((error) => error);
    await vi.waitFor(() => fakes.interrupt(), { interval: 5 });
    const ended = await running;
    expect([ended.exitCode, said().err, kinds().slice(-2)]).toEqual([
      130,
      ["stopping: the workers go on, and the same command takes what they have done"],
      ["stop filling", "close"],
    ]);
  });

  test("refuses the embedded task", async () => {
    const task = job("lora", { data: { kind: "task", trainExamples: 5 } });
    await expect(run(null, [task])).rejects.toThrow("--queue needs --data: workers cannot run the built-in task");
  });
});

describe("lowrank worker", () => {
  const store = at("worked");
  const options: WorkerCommandOptions = {
    ...{ model: "models/llama.gguf", queue: "redis://host:1234/0", store, jobs: 2, perKey: 3, attempts: 4 },
    ...{ retrySeconds: 1.5, lockSeconds: 2, deaths: 6, pollSeconds: 0.5, threads: 7 },
  };
  const order = async (id: string, owner = "ann", model = "llama") => {
    const { jobs } = jobPlaces(store);
    const job = {
      ...{ id: `ftjob-${id}`, owner, model, name: "ann/x", served: false, createdAt: 1, trainingFile: "file-1" },
      ...{ validationFile: null, method: "supervised" as const, hyperparameters: {}, seed: 0, suffix: null },
      ...{ metadata: null, options: {}, priority: 0, limits: null },
    };
    await jobs.order(job);
    return job;
  };

  test("trains jobs until it is interrupted, and prints their attempts", async () => {
    const ended = runWorker(options, ["plugin"]);
    await vi.waitFor(() => expect(said().err).toEqual(["taking jobs of llama from host:1234"]), { interval: 5 });
    const job = await order("1");
    const signal = new AbortController().signal;
    let given: unknown[] = [];
    fakes.train = async (order, plugins) => {
      given = [order, plugins];
    };
    await fakes.worker!.run(job, 1, signal);
    expect(given).toEqual([
      {
        ...{ job, attempt: 1, store, model: "models/llama.gguf", threads: 7, wideSimd: false, yields: true },
        pollMs: 500,
      },
      ["plugin"],
    ]);
    fakes.train = async () => Promise.reject(new Error("no memory"));
    await expect(fakes.worker!.run(await order("2"), 2, signal)).rejects.toThrow("no memory");
    fakes.train = async () => Promise.reject(new JobStopped());
    await expect(fakes.worker!.run(await order("3"), 1, signal)).rejects.toThrow(JobStopped);
    expect(kinds()).toEqual(["open", "fill"]);
    fakes.interrupt();
    await ended;
    expect(said().err.slice(1)).toEqual([
      ...["ftjob-1: attempt 1", "ftjob-1: trained, as ann/x"],
      ...["ftjob-2: attempt 2", "ftjob-2: attempt 2 failed: no memory", "ftjob-3: attempt 1"],
      "stopping: jobs save a checkpoint and go back; again stops at once",
    ]);
    const [[, { onError, ...queue }], fill] = fakes.calls as [string, Record<string, unknown>][];
    expect(queue).toEqual({
      ...{ url: "redis://host:1234/0", model: "llama", atOnce: 2, perOwner: 3, attempts: 4, backoffMs: 1500 },
      ...{ lockSeconds: 2, deaths: 6 },
    });
    for (const message of ["", "gone"]) (onError as (error: Error) => void)(new Error(message));
    expect(said().err.slice(-2)).toEqual(["warning: queue: no connection", "warning: queue: gone"]);
    expect(fill).toEqual(["fill", "llama", 2000]);
    expect(kinds().slice(2)).toEqual(["stop filling", "stop working", "close"]);
  });

  test("lists failed jobs, and lets them run once more", async () => {
    const { jobs } = jobPlaces(store);
    await runWorker({ ...options, failed: true }, []);
    expect([said().out, kinds()]).toEqual([["no job of llama has failed"], []]);
    out.mockClear();
    const fail = async (id: string, owner: string, end: object) => {
      await settle(store, await order(id, owner, "other"), { status: "failed", at: 1_700_000_000, ...end });
    };
    const error = { code: "server_error", message: "by the server", param: null };
    await fail("7", "ann", { error, reason: "no disk" });
    await fail("8", "", { error });
    const other = { ...options, servedModelName: "other" };
    await runWorker({ ...other, failed: true }, []);
    expect(said().out).toEqual([
      "ftjob-7  2023-11-14T22:13:20.000Z  ann  server_error: no disk",
      "ftjob-8  2023-11-14T22:13:20.000Z  -  server_error: by the server",
    ]);
    await runWorker({ ...other, retry: ["ftjob-8"] }, []);
    expect([said().out.at(-1), kinds(), (await jobs.failed("other")).length]).toEqual([
      "ftjob-8 runs once more",
      ["open", "add", "close"],
      1,
    ]);
    await expect(runWorker({ ...other, retry: ["ftjob-9"] }, [])).rejects.toThrow(
      "--retry ftjob-9: no such job of other has failed; --failed lists the failed jobs",
    );
    expect(kinds().at(-1)).toBe("close");
  });
});

describe("fine-tuning of a server", () => {
  const model = fileURLToPath(nanoModelFolder);
  const store = at("served");
  const settings = { model, "served-model-name": "nano", threads: 2, "wide-simd": false };
  const logged: unknown[][] = [];
  const log = (level: string) => (fields: object, message: string) => void logged.push([level, fields, message]);
  const logger = { info: log("info"), warn: log("warn"), error: log("error") } as unknown as ServingLogger;
  const start = (more: object) =>
    startFineTuning({ ...settings, ...more } as unknown as ServeSettings, ["plugin"], logger);
  beforeEach(() => void logged.splice(0));

  test("is off without a store, and without a place to train", async () => {
    expect(await start({ "fine-tuning": true })).toBe(null);
    expect(await start({ store, "fine-tuning": false })).toBe(null);
    expect(kinds()).toEqual([]);
  });

  test("trains on this machine, and logs what its jobs do", async () => {
    const served = (await start({ store, "fine-tuning": true, "max-upload": 7 }))!;
    const { jobs, queue, limits } = served.fineTuning;
    expect(limits).toEqual({ uploadBytes: 7 });
    expect(fakes.calls).toEqual([["fill", "nano", undefined]]);
    const order = async (id: string, train: typeof fakes.train) => {
      const job = {
        ...{ id: `ftjob-${id}`, owner: "ann", model: "nano", name: `ann/${id}`, served: false, createdAt: 1 },
        ...{ trainingFile: "file-1", validationFile: null, method: "supervised" as const, hyperparameters: {} },
        ...{ seed: 0, suffix: null, metadata: null, options: {}, priority: 0, limits: null },
      };
      await jobs.order(job);
      fakes.train = train;
      await queue.add(job);
      return job;
    };
    let given: unknown[] = [];
    const job = await order("1", async (order, plugins) => {
      given = [order, plugins];
    });
    const trained = ["info", { job: "ftjob-1", tenant: "ann", model: "ann/1" }, "trained"];
    await vi.waitFor(() => expect(logged.at(-1)).toEqual(trained), { interval: 5 });
    expect(logged[0]).toEqual(["info", { job: "ftjob-1", tenant: "ann", attempt: 1 }, "training"]);
    const machine = { store, model, threads: 2, wideSimd: false, yields: true, pollMs: 1000 };
    expect(given).toEqual([{ job, attempt: 1, ...machine }, ["plugin"]]);
    const refused = new JobRefused({ code: "invalid", message: "bad data", param: null });
    await order("2", () => Promise.reject(refused));
    await vi.waitFor(async () => expect(await jobs.failed("nano")).toHaveLength(1), { interval: 5 });
    const broken = new Error("no memory");
    await order("3", () => Promise.reject(broken));
    const failed = ["error", { job: "ftjob-3", tenant: "ann", attempt: 1, err: broken }, "training failed"];
    await vi.waitFor(() => expect(logged.at(-1)).toEqual(failed), { interval: 5 });
    expect(logged.filter(([level]) => level === "error")).toHaveLength(1);
    await served.close();
    expect(kinds()).toEqual(["fill", "stop filling"]);
  });

  test("on a queue is left to its workers", async () => {
    const served = (await start({ store, queue: "redis://host" }))!;
    const [[, { url, model: name, onError }]] = fakes.calls as [string, Record<string, never>][];
    expect([url, name, kinds()]).toEqual(["redis://host", "nano", ["open", "fill"]]);
    (onError as (error: Error) => void)(new Error("gone"));
    expect(logged).toEqual([["warn", { reason: "gone" }, "queue"]]);
    await served.close();
    expect(kinds()).toEqual(["open", "fill", "stop filling", "close"]);
  });

  test("is refused for an encoder", async () => {
    const encoder = at("encoder");
    await mkdir(encoder);
    const config = { model_type: "bert", hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2 };
    await writeFile(join(encoder, "config.json"), JSON.stringify({ ...config, architectures: ["BertModel"] }));
    for (const [more, option] of [
      [{ "fine-tuning": true }, "--fine-tuning"],
      [{ queue: "redis://host" }, "--queue"],
    ] as const) {
      await expect(start({ model: encoder, store, ...more })).rejects.toThrow(
        `${encoder}: this model is an encoder, and only models that generate text can be fine-tuned; leave ${option} out`,
      );
    }
  });
});
