import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { writeFolder } from "@lowrank/files";
import { makeFolder } from "@lowrank/files/internal/disk";
import { now } from "@lowrank/serve/internal";
import {
  adapterFolder,
  bullQueue,
  type FineTuneJob,
  fineTuneWorker,
  type JobQueue,
  type JobState,
  keepFilled,
  localQueue,
  type Working,
} from "@lowrank/serve/jobs";
import { findModelConfig } from "../../cli/loading/modelConfig.ts";
import { shellWord } from "../../cli/output.ts";
import { writeText } from "../../cli/outputs/writeText.ts";
import { withInterrupt } from "../../cli/process/interrupt.ts";
import { type JobPlaces, jobPlaces } from "../../fineTuning/jobPlaces.ts";
import { clearStore } from "../../fineTuning/openStore.ts";
import { trainInProcess } from "../../fineTuning/trainInProcess.ts";
import type { MethodComparison } from "../../report/comparison/methodComparison.ts";
import { servedNameOf } from "../../report/shortName.ts";
import { csvTable, textTable } from "../../report/table.ts";
import type { SweepCommandOptions } from "./sweep.ts";
import { sweepComparison } from "./sweepComparison.ts";
import { readSweep, type SweepPlan } from "./sweepFile.ts";
import { describeTrial, lossOf, ranked, resultOf, sweepColumns, sweepPage, type TrialResult } from "./sweepResults.ts";

/** Owner name of a sweep's jobs, which belong to no API key. */
const owner = "lowrank sweep";

/** Milliseconds between checks of the jobs of a remote queue. */
const pollMs = 1000;

/** Runs `lowrank sweep`. */
export async function runSweep(file: string, options: SweepCommandOptions, plugins: readonly string[]): Promise<void> {
  if ((options.queue === undefined) !== (options.store === undefined)) {
    const given = options.queue === undefined ? "--store" : "--queue";
    throw new Error(`${given} needs ${given === "--store" ? "--queue" : "--store"} too; give both, or neither`);
  }
  const plan = await readSweep(file);
  const output = options.output ?? plan.output;
  if (output === null) throw new Error(`${file}: output is missing; add it to the file, or give --output`);
  await makeFolder(output);
  const store = options.store ?? join(output, "store");
  await clearStore(store);
  const places = jobPlaces(store);
  const jobs = await orderTrials(plan, places);
  console.error(`${jobs.length} trials of ${plan.varied.join(", ")}`);
  const states = await trainAll(plan, jobs, places, options, plugins);
  const results = await Promise.all(
    states.map(async (state, i) => resultOf(i + 1, plan.trials[i], state, await places.jobs.log(state.job))),
  );
  await tell(plan, ranked(results), places, output, options);
}

/**
 * Adds a job to the store for each trial, and returns the jobs. A job's id is a hash of its settings, so equal trials
 * share one job. A job that is already in the store is not added again; if it has failed, it is reopened.
 */
async function orderTrials(plan: SweepPlan, places: JobPlaces): Promise<FineTuneJob[]> {
  const trainingFile = await upload(places, plan.data);
  const validationFile = plan.validation === null ? null : await upload(places, [plan.validation]);
  const jobs: FineTuneJob[] = [];
  for (const trial of plan.trials) {
    const { seed = 0, ...options } = { ...plan.shared, ...trial };
    const order = {
      ...{ owner, model: servedName(plan), trainingFile, validationFile, method: plan.method, hyperparameters: {} },
      ...{ seed: Number(seed), suffix: null, metadata: null, options, priority: 0, limits: null, served: false },
    };
    const id = `ftjob-${createHash("sha256").update(JSON.stringify(order)).digest("hex").slice(0, 32)}`;
    const known = await places.jobs.find(owner, id);
    const job: FineTuneJob = known?.job ?? { id, createdAt: now(), name: `sweep:${id}`, ...order };
    if (!known) await places.jobs.order(job);
    // A failed trial is tried again.
    else if (known.end?.status === "failed") await places.jobs.reopen(job);
    jobs.push(job);
  }
  return jobs;
}

const servedName = ({ model }: SweepPlan): string => servedNameOf(model);

/** Joins JSONL files and uploads them as one file. Its id is a hash of its content. */
async function upload({ files }: JobPlaces, paths: readonly string[]): Promise<string> {
  const content = async function* () {
    for (const path of paths) {
      yield* createReadStream(path) as AsyncIterable<Uint8Array>;
      yield new TextEncoder().encode("\n");
    }
  };
  for (const path of paths) {
    if (![".jsonl", ".ndjson"].includes(extname(path).toLowerCase())) {
      throw new Error(`${path}: a sweep needs data as JSONL, one example per line; convert the file to .jsonl`);
    }
    if (!(await stat(path).catch(() => null))?.isFile()) throw new Error(`there is no file ${path}`);
  }
  const hash = createHash("sha256");
  for await (const piece of content()) hash.update(piece);
  const id = `file-${hash.digest("hex").slice(0, 32)}`;
  if (await files.find(owner, id)) return id;
  const filename = paths.map((path) => basename(path)).join(", ");
  return (await files.add(owner, content(), { filename, purpose: "fine-tune", slot: null }, id)).id;
}

/** Trains all jobs in this process, or on the workers of a queue, and returns their final states. */
async function trainAll(
  plan: SweepPlan,
  jobs: readonly FineTuneJob[],
  places: JobPlaces,
  options: SweepCommandOptions,
  plugins: readonly string[],
): Promise<JobState[]> {
  const model = servedName(plan);
  const onError = ({ message }: Error) => console.error(`warning: queue: ${message}`);
  const { queue: url } = options;
  const queue: JobQueue =
    url === undefined ? localQueue({ atOnce: options.jobs }) : await bullQueue({ url, model, onError });
  const working = url === undefined ? await trainHere(queue, plan, places, options, plugins) : null;
  const stopFilling = url === undefined ? null : keepFilled(queue, places.jobs, model, { onError });
  try {
    for (const job of jobs) if (!(await places.jobs.state(job)).settled) await queue.add(job);
    const note = () =>
      console.error("stopping: trials save a checkpoint, and continue when the command is started again");
    return await withInterrupt(note, (signal) => allEnded(plan, places, jobs, signal));
  } finally {
    stopFilling?.();
    await working?.close();
    await queue.close();
  }
}

function trainHere(
  queue: JobQueue,
  plan: SweepPlan,
  { jobs, place }: JobPlaces,
  { output, threads, wideSimd = false }: SweepCommandOptions,
  plugins: readonly string[],
): Promise<Working> {
  const machine = { model: plan.model, threads, wideSimd, yields: false, pollMs };
  const store = join(output ?? plan.output ?? "", "store");
  return queue.work(
    fineTuneWorker({
      ...{ store: jobs, place },
      train: (job, attempt, signal) => trainInProcess({ job, attempt, store, ...machine }, plugins, signal),
    }),
  );
}

/** Waits until all jobs have ended, and prints a line for each. */
async function allEnded(
  plan: SweepPlan,
  places: JobPlaces,
  jobs: readonly FineTuneJob[],
  signal: AbortSignal,
): Promise<JobState[]> {
  const ended = new Map<string, JobState>();
  for (;;) {
    for (const [i, job] of jobs.entries()) {
      if (ended.has(job.id)) continue;
      const state = await places.jobs.state(job);
      if (!state.settled) continue;
      ended.set(job.id, state);
      const { status, error } = state.end as NonNullable<JobState["end"]>;
      const loss = lossOf(resultOf(i, {}, state, await places.jobs.log(job)));
      const what = error?.message ?? (loss === null ? status : `loss ${loss.toFixed(4)}`);
      console.error(`trial ${i + 1}: ${describeTrial(plan.trials[i])}: ${what} (${ended.size} of ${jobs.length})`);
    }
    if (signal.aborted) throw signal.reason;
    if (ended.size === jobs.length) return jobs.map(({ id }) => ended.get(id) as JobState);
    await new Promise((resolve) => setTimeout(resolve, pollMs / 4));
  }
}

/** Writes the results to the output folder, and prints them. */
async function tell(
  plan: SweepPlan,
  results: readonly TrialResult[],
  places: JobPlaces,
  output: string,
  { json }: SweepCommandOptions,
): Promise<void> {
  const comparison = await costsOf(plan, results);
  const columns = sweepColumns(plan, comparison);
  await writeText(join(output, "sweep.html"), sweepPage(plan, results, comparison));
  await writeText(join(output, "sweep.csv"), `${csvTable(columns, results).join("\n")}\n`);
  await writeText(join(output, "sweep.json"), `${JSON.stringify({ ...plan, results, comparison }, null, 2)}\n`);
  const [best] = results;
  if (best.status === "succeeded") await copyAdapter(places, best.id, join(output, "best"));
  if (json)
    return console.log(
      JSON.stringify(
        results.map(({ training, validation, ...result }) => ({
          ...result,
          trainingLoss: training.at(-1)?.[1] ?? null,
          validationLoss: validation.at(-1)?.[1] ?? null,
        })),
      ),
    );
  for (const line of textTable(columns, results)) console.log(line);
  console.log(`wrote ${output}: sweep.html, sweep.csv, sweep.json`);
  if (best.status !== "succeeded") throw new Error("no trial succeeded; the table above shows the errors");
  const adapter = shellWord(join(output, "best"));
  console.log(
    `best: trial ${best.number}; lowrank generate --model ${shellWord(plan.model)} --adapter ${adapter} --prompt "..."`,
  );
}

/** Returns the costs of the trials' adapters; null if no trial has a loss, or if only the workers have the model. */
async function costsOf(plan: SweepPlan, results: readonly TrialResult[]): Promise<MethodComparison | null> {
  const rated = results.filter((result) => result.status === "succeeded" && lossOf(result) !== null);
  if (rated.length === 0) return null;
  const model = await findModelConfig(plan.model).catch((error: Error) => {
    console.error(`no trainable parameters and no Pareto front: ${error.message}`);
    return null;
  });
  return model && sweepComparison(model, plan, results);
}

async function copyAdapter({ jobs: { objects } }: JobPlaces, id: string, folder: string): Promise<void> {
  const start = `${adapterFolder(id)}/`;
  const contents = new Map<string, Uint8Array>();
  for (const { key } of await objects.list(start)) {
    const bytes = await objects.get(key);
    if (bytes) contents.set(key.slice(start.length), bytes);
  }
  await writeFolder(folder, contents);
}
