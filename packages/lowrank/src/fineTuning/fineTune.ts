import { createWriteStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { WritableFiles } from "@lowrank/files";
import { now } from "@lowrank/serve/internal";
import {
  adapterFolder,
  type FineTuneJob,
  JobRefused,
  JobStopped,
  runFolder,
  storeFiles,
  type TrainedJob,
} from "@lowrank/serve/jobs";
import {
  dpo,
  getLastCheckpoint,
  type LanguageModel,
  type PreferenceExample,
  ResumeError,
  type StepReport,
  type TokenizedExample,
  Trainer,
  type TrainerOptions,
  trainingSteps,
} from "@lowrank/train";
import { inFlags } from "../cli/inFlags.ts";
import { loadWithTokenizer, warn } from "../cli/loading/loading.ts";
import { trainedConfig } from "../cli/options/trainedConfig.ts";
import { trainFlag } from "../cli/options/trainFlags.ts";
import { decoderBase } from "../commands/train/kinds/decoder.ts";
import { type Learner, makeLearner } from "../commands/train/learner.ts";
import type { TrainCommandOptions } from "../commands/train/train.ts";
import { checkpointEvery, JobLog, resultFile, secondsLeft } from "./jobLog.ts";
import { optionsOf } from "./jobOptions.ts";
import { type JobPlaces, jobPlaces } from "./jobPlaces.ts";
import { readExamples, readPreference, readSupervised } from "./readExamples.ts";

/** Fine-tuning job, with the store and the base model for its training. */
export interface Order {
  readonly job: FineTuneJob;
  readonly attempt: number;
  /** Store with the job's data: a folder or S3 address, as in the option `--store`. */
  readonly store: string;
  /** Base model's folder or file. */
  readonly model: string;
  readonly threads: number;
  readonly wideSimd: boolean;
  /** True if the training runs with lower priority than other processes on the same cores. */
  readonly yields: boolean;
  /** Milliseconds between two checks whether the job was cancelled or paused. */
  readonly pollMs: number;
}

/** Examples of a job, tokenized for its training method. */
interface Data {
  readonly train: readonly TokenizedExample[] | readonly PreferenceExample[];
  readonly validation: readonly TokenizedExample[] | readonly PreferenceExample[];
  /**
   * All training texts. For preference pairs, these are both answers of each pair. Some adapters are initialised from
   * the texts.
   */
  readonly texts: readonly TokenizedExample[];
}

/**
 * Trains a job, from its last checkpoint if it has one, and writes its adapter, log and metrics to the store. The
 * adapter is bit for bit the same for any worker and any number of interruptions. Throws `JobRefused` for data or
 * options that cannot be trained on. Throws `JobStopped` if `signal`, a cancellation or a pause stops it at a
 * checkpoint.
 */
export async function fineTune(order: Order, signal: AbortSignal): Promise<TrainedJob> {
  const { job, attempt } = order;
  const places = jobPlaces(order.store);
  const scratch = await mkdtemp(join(tmpdir(), "lowrank-job-"));
  const stop = new AbortController();
  const watch = setInterval(async () => {
    // Ignores a store that is unreachable. Writes to it report the error.
    if (await places.jobs.isStopped(job).catch(() => false)) stop.abort();
  }, order.pollMs);
  try {
    await places.jobs.progress(job, { status: "validating_files", attempt });
    return await trainJob(order, places, scratch, AbortSignal.any([signal, stop.signal]));
  } finally {
    clearInterval(watch);
    await rm(scratch, { recursive: true });
  }
}

async function trainJob(order: Order, places: JobPlaces, scratch: string, signal: AbortSignal): Promise<TrainedJob> {
  const { job, attempt } = order;
  const options = optionsOf(job);
  const loaded = await loadWithTokenizer(order.model, { threads: order.threads, wideSimd: order.wideSimd });
  const { model, tokenizer, generationConfig } = loaded;
  const data = await readData(job, places, scratch, tokenizer);
  if (signal.aborted) throw new JobStopped();

  const padTokenId = tokenizer.padTokenId ?? generationConfig?.padTokenId ?? tokenizer.eosTokenId ?? 0;
  const maxLength = Math.min(options.maxLength ?? model.maxPositions, model.maxPositions);
  const { batchSize, epochs, accumulate: gradientAccumulationSteps } = options;
  const steps = options.steps ?? trainingSteps(data.train.length, { batchSize, gradientAccumulationSteps, epochs });
  const most = job.limits?.steps ?? null;
  if (most !== null && steps > most) {
    const message = `The training would take ${steps} steps, and one fine-tune of this key may have ${most}.`;
    throw new JobRefused({ code: "steps_exceeded", message, param: "lowrank.options" });
  }
  const config = (await trainedConfig(options))(steps)?.with({ baseModelNameOrPath: job.model }) ?? null;
  if (options.gradientCheckpointing) model.gradientCheckpointingEnable();
  const learner = await makeLearner(
    decoderBase(loaded),
    config,
    data.texts,
    { padTokenId, maxLength },
    options,
    () => {},
  );

  const own = storeFiles(places.jobs.objects, runFolder(job.id));
  const last = await getLastCheckpoint(own, warn);
  const log = new JobLog(places.jobs, job, last === null ? 0 : Number(last.slice(last.lastIndexOf("-") + 1)));
  const every = options.saveEvery ?? checkpointEvery(steps);
  const hyperparameters = usedHyperparameters(job, options);
  const started = performance.now();
  let first: number | undefined;
  const onStep = async (report: StepReport) => {
    const { step, maxSteps, loss } = report;
    first ??= step;
    const data = { step, total_steps: maxSteps, train_loss: loss, learning_rate: report.learningRate };
    log.add(`step-${step}`, { message: `Step ${step}/${maxSteps}: training loss=${loss.toFixed(4)}`, data });
    await log.tick();
    if (step === first || step % every === 0) {
      const finishAt = now() + secondsLeft(performance.now() - started, [first, step, maxSteps]);
      await places.jobs.progress(job, { status: "running", attempt, step, steps: maxSteps, hyperparameters, finishAt });
    }
  };
  const trainer = trainerOf(job, learner, data, {
    ...{ batchSize, padTokenId, maxLength, gradientAccumulationSteps, signal, onStep, onWarning: warn },
    ...learner.optimizer,
    ...{ maxSteps: steps, schedule: options.schedule, warmupSteps: options.warmupSteps },
    ...{ maxGradNorm: options.maxGradNorm, seed: options.seed },
    checkpoints: { folder: withLog(own, log), every, saveTotalLimit: options.saveTotalLimit ?? 3 },
    onEvaluation: (step, { loss }) => {
      const message = `Step ${step}/${steps}: validation loss=${loss.toFixed(4)}`;
      log.add(`validation-${step}`, { message, data: { step, valid_loss: loss } });
    },
    every: options.evalEvery,
  });
  if (last !== null) await resume(trainer, own, log, attempt);
  else log.add("started", { message: `Fine-tuning job started: ${data.train.length} examples, ${steps} steps` });
  const cut = data.texts.filter(({ inputIds }) => inputIds.length > maxLength).length;
  if (cut > 0 && last === null) {
    const message = `${cut} texts are longer than ${maxLength} tokens; what goes beyond is not learned`;
    log.add("cut", { level: "warn", message });
  }
  const result = await trained(trainer);
  await log.flush();
  if (result.aborted) throw new JobStopped();
  await learner.save(storeFiles(places.jobs.objects, adapterFolder(job.id)));
  const file = await resultFile(places, job);
  return { trainedTokens: tokensOf(data, steps, options), resultFiles: [file.id], writesAdapter: true };
}

/** Returns the hyperparameters of a job, by the names of OpenAI's API. */
function usedHyperparameters({ method, hyperparameters }: FineTuneJob, options: TrainCommandOptions) {
  const { learning_rate_multiplier: factor } = hyperparameters;
  return {
    n_epochs: options.epochs,
    batch_size: options.batchSize,
    learning_rate_multiplier: typeof factor === "number" ? factor : 1,
    ...(method === "dpo" && { beta: betaOf(hyperparameters) }),
  };
}

function betaOf({ beta }: FineTuneJob["hyperparameters"]): number {
  return typeof beta === "number" ? beta : 0.1;
}

async function readData(
  job: FineTuneJob,
  places: JobPlaces,
  scratch: string,
  tokenizer: Parameters<typeof readExamples>[1],
): Promise<Data> {
  const file = async (param: "training_file" | "validation_file", id: string) => {
    const found = await places.files.find(job.owner, id);
    if (!found) throw new JobRefused({ code: `invalid_${param}`, message: `The file '${id}' was deleted.`, param });
    const path = join(scratch, `${param}.jsonl`);
    await pipeline(Readable.from(places.files.content(found)), createWriteStream(path));
    return path;
  };
  const read = async <E>(reader: Parameters<typeof readExamples<E>>[2]) => {
    const { trainingFile, validationFile } = job;
    const train = await readExamples(await file("training_file", trainingFile), tokenizer, reader, "training_file");
    if (validationFile === null) return { train, validation: [] };
    const path = await file("validation_file", validationFile);
    return { train, validation: await readExamples(path, tokenizer, reader, "validation_file") };
  };
  if (job.method === "dpo") {
    const pairs = await read(readPreference);
    return { ...pairs, texts: pairs.train.flatMap(({ chosen, rejected }) => [chosen, rejected]) };
  }
  const examples = await read(readSupervised);
  return { ...examples, texts: examples.train };
}

/** Trainer options that supervised training and DPO share. `every` is the number of steps between evaluations. */
type Settings = Omit<TrainerOptions, "evaluation" | "padTokenId"> & { padTokenId: number; every: number | undefined };

/** Creates the trainer for a job's method. */
function trainerOf(job: FineTuneJob, learner: Learner, data: Data, settings: Settings) {
  const model = learner.model as LanguageModel;
  const { every, padTokenId, maxLength, ...options } = settings;
  if (job.method === "dpo") {
    const examples = data.validation as PreferenceExample[];
    return new Trainer(model, data.train as PreferenceExample[], {
      ...options,
      ...dpo({ padTokenId, maxLength, beta: betaOf(job.hyperparameters) }),
      evaluation: examples.length > 0 ? { examples, every } : undefined,
    });
  }
  const examples = data.validation as TokenizedExample[];
  return new Trainer(model, data.train as TokenizedExample[], {
    ...options,
    padTokenId,
    maxLength,
    evaluation: examples.length > 0 ? { examples, every } : undefined,
  });
}

/**
 * Resumes training from the last checkpoint. If `Trainer.resume` rejects the checkpoint, training starts from the
 * beginning, and the log gets a warning. This happens, for example, if the checkpoint was written on a machine whose
 * floating-point results differ from this machine's.
 */
async function resume(
  trainer: Pick<Trainer, "resume">,
  files: WritableFiles,
  log: JobLog,
  attempt: number,
): Promise<void> {
  try {
    const step = await trainer.resume(files);
    log.add(`resumed-${step}-${attempt}-${now()}`, { message: `Resumed from the checkpoint of step ${step}` });
  } catch (error) {
    if (!(error instanceof ResumeError)) throw error;
    await log.turn(0);
    const message = `Started from the beginning, since the checkpoints belong to another run: ${error.message}`;
    log.add(`anew-${attempt}-${now()}`, { level: "warn", message });
  }
}

/** Runs the trainer. Throws `JobRefused` if the data cannot be trained on. Its message names options by their flags. */
async function trained(trainer: Pick<Trainer, "train">) {
  try {
    return await trainer.train();
  } catch (error) {
    if (!(error as Error).message.startsWith("Trainer: ")) throw error;
    throw new JobRefused({ code: "training_failed", message: inFlags(error, trainFlag), param: null });
  }
}

/**
 * Returns `files` with another `write` function. Before this function writes the checkpoint of a step, it writes the
 * log up to that step.
 */
function withLog(files: WritableFiles, log: JobLog): WritableFiles {
  return {
    ...files,
    write: async (contents) => {
      const [step] = [...contents.keys()].flatMap((name) => /^checkpoint-(\d+)\//.exec(name)?.[1] ?? []);
      if (step !== undefined) await log.turn(Number(step));
      await files.write(contents);
    },
  };
}

/**
 * Returns the number of tokens that all steps together process, including prompt tokens. It is estimated from the mean
 * length of an example.
 */
function tokensOf({ texts, train }: Data, steps: number, { batchSize, accumulate }: TrainCommandOptions): number {
  const each = texts.reduce((sum, { inputIds }) => sum + inputIds.length, 0) / train.length;
  return Math.round(each * Math.min(batchSize, train.length) * accumulate * steps);
}
