import { stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { folderFiles } from "@lowrank/files";
import {
  type Evaluation,
  getLastCheckpoint,
  type TokenizedExample,
  type TrainableModel,
  Trainer,
  type TrainerOptions,
  type TrainingResult,
} from "@lowrank/train";
import { inFlags } from "../../cli/inFlags.ts";
import { trainerSettings } from "../../cli/options/trainerFlags.ts";
import { resumeFailure, trainFlag } from "../../cli/options/trainFlags.ts";
import { shellWord } from "../../cli/output.ts";
import type { Interrupted } from "../../cli/process/interrupt.ts";
import { isSample, MetricsLog, metricsName, readHistory, type ValidationLine } from "./files/metricsLog.ts";
import { removeOlderCheckpoints } from "./files/olderCheckpoints.ts";
import type { Learner } from "./learner.ts";
import type { PreparedRun } from "./prepareRun.ts";
import type { CommandTask, TaskFlags, TaskSetting } from "./tasks/commandTask.ts";
import type { Teacher } from "./teacher.ts";
import type { TrainCommandOptions } from "./train.ts";
import { answerSamples, type SamplePrompt } from "./view/sampleAnswers.ts";
import { TimeLeft, type TrainReporter, workPlans } from "./view/trainReporter.ts";

/** Result of a training, with the duration of each step in seconds. */
export interface TrainedSteps {
  readonly result: TrainingResult;
  readonly stepSeconds: readonly number[];
  readonly maxSteps: number;
  readonly log: MetricsLog;
  /** Checkpoint from which the run was resumed; null for a new run. */
  readonly resumedFrom: string | null;
  /** Signal that stopped the run before its last step; null for a complete run. */
  readonly interrupted: Interrupted | null;
}

/** Values that the steps of a training run need. */
export interface StepsContext {
  readonly options: TrainCommandOptions;
  readonly prepared: PreparedRun;
  readonly learner: Learner;
  readonly prompts: readonly SamplePrompt[];
  readonly voice: TrainReporter;
  /** Teacher model with the digest of its files; null without one. */
  readonly teacher: Teacher | null;
}

/**
 * Trains until the last step, or until `signal` aborts. Logs a line for each step, validation and set of sample
 * answers.
 */
export async function trainSteps(context: StepsContext, signal: AbortSignal): Promise<TrainedSteps> {
  const { options, voice } = context;
  const kept: KeptCheckpoints = { ofThisRun: false };
  try {
    return await train(context, signal, kept);
  } catch (error) {
    throw await withLastCheckpoint(error, options, kept);
  } finally {
    voice.end();
  }
}

async function train(
  { options, prepared, learner, prompts, voice, teacher }: StepsContext,
  signal: AbortSignal,
  kept: KeptCheckpoints,
): Promise<TrainedSteps> {
  const { data, batching, steps: maxSteps, evalEvery, loaded, task } = prepared;
  const { model, optimizer } = learner;
  const { output, sampleEvery, logEvery } = options;
  const stepSeconds: number[] = [];
  const counts = { validation: data.validation.length, prompts: prompts.length };
  const left = new TimeLeft(maxSteps, workPlans({ ...options, evalEvery }, counts));
  let log = new MetricsLog(output, "");
  let resumedFrom: string | null = null;
  const add = (line: Parameters<MetricsLog["add"]>[0]) => {
    log.add(line);
    voice.metrics(line);
  };
  const sample = async (step: number) => {
    add({ step, samples: await answerSamples(model, loaded.tokenizer, prompts, batching.maxLength) });
    left.did("samples");
  };
  const { batchSize } = batching;
  const setting = settingOf(options, prepared, teacher);
  const loss = lossOf(task, setting, teacher);
  const trainer = new Trainer(
    // The task's model, loss and examples have matching types.
    model as TrainableModel,
    data.train as readonly TokenizedExample[],
    {
      batchSize,
      ...loss,
      signal,
      maxSteps: options.steps,
      epochs: options.epochs,
      gradientAccumulationSteps: options.accumulate,
      ...optimizer,
      schedule: options.schedule,
      warmupSteps: options.warmupSteps,
      maxGradNorm: options.maxGradNorm,
      seed: options.seed,
      ...trainerSettings({ ...options, evalEvery }, data.validation, {
        lowerIsBetter: task.lowerIsBetter ?? [],
        measure: () => task.measure(model, data.validation, setting, batchSize),
      }),
      checkpoints: await checkpointing(options, { metrics: () => log.text, note: voice.note, kept, left }),
      onStep: async (report) => {
        const { step, loss, learningRate, gradNorm, tokens, seconds } = report;
        stepSeconds.push(seconds);
        left.step(step, seconds);
        left.begin();
        const line = { step, loss, learning_rate: learningRate, grad_norm: gradNorm };
        const speed = { tokens_per_second: tokens / seconds, memory: process.memoryUsage.rss() };
        if (step % logEvery === 0 || step === maxSteps) add({ ...line, ...speed });
        voice.step(report, left.seconds);
        if (prompts.length > 0 && sampleEvery !== undefined && step % sampleEvery === 0 && step < maxSteps)
          await sample(step);
      },
      onWarning: voice.warn,
      onEvaluation: (step, evaluation) => {
        left.did("evaluation");
        add(validationLine(step, task.lossOfModel ? evaluation : withoutPerplexity(evaluation)));
      },
    } as TrainerOptions,
  );
  if (options.resume !== undefined) {
    resumedFrom = await checkpointOf(options.resume);
    const step = await resume(trainer, options.resume, options);
    voice.say(`resumed from ${resumedFrom}, after step ${step} of ${trainer.maxSteps}`);
    kept.ofThisRun = resolve(dirname(resumedFrom)) === resolve(output);
    log = new MetricsLog(output, await readHistory(resumedFrom));
  }
  try {
    left.begin();
    if (prompts.length > 0 && options.resume === undefined) await sample(0);
    const result = await trainer.train();
    const interrupted = result.aborted ? (signal.reason as Interrupted) : null;
    const isSampled = log.lines.some((line) => isSample(line) && line.step === result.steps);
    if (prompts.length > 0 && !interrupted && !isSampled) await sample(result.steps);
    return { result, stepSeconds, maxSteps: trainer.maxSteps, log, resumedFrom, interrupted };
  } finally {
    log.close();
  }
}

/** Returns the options and models that determine the loss of a run's task. */
export function settingOf(
  flags: TaskFlags,
  { batching }: Pick<PreparedRun, "batching">,
  teacher: Teacher | null,
): TaskSetting {
  const { padTokenId, maxLength } = batching;
  return { padding: { padTokenId, maxLength }, flags, teacher: teacher?.model ?? null };
}

/**
 * Returns the trainer options that determine the loss: the task's own loss or, if the task uses the model's loss, the
 * padding options.
 */
export function lossOf(task: CommandTask, setting: TaskSetting, teacher: Teacher | null): object {
  const own = task.own(setting);
  if (!own) return setting.padding;
  return teacher ? { ...own, settings: { ...own.settings, teacher: teacher.digest } } : own;
}

/** Removes the perplexity, which is defined only for a cross-entropy loss. */
function withoutPerplexity({ perplexity: _, ...measures }: Evaluation): Omit<Evaluation, "perplexity"> {
  return measures;
}

function validationLine(
  step: number,
  { labels: _, metrics, ...measures }: Omit<Evaluation, "perplexity">,
): ValidationLine {
  const named = Object.entries({ ...measures, ...metrics }).map(([name, value]) => [`eval_${name}`, value]);
  return { step, ...Object.fromEntries(named) };
}

/** State of the checkpoints in the output folder. */
interface KeptCheckpoints {
  /** True if this run has written a checkpoint to the output folder, or was resumed from a checkpoint there. */
  ofThisRun: boolean;
}

/**
 * Returns the trainer's checkpoint options. Before this run writes its first checkpoint, the checkpoints of an older
 * run are removed, so that a resume cannot mix up the runs.
 */
async function checkpointing(
  { output, saveEvery, saveTotalLimit }: TrainCommandOptions,
  { metrics, note, kept, left }: { metrics(): string; note(text: string): void; kept: KeptCheckpoints; left: TimeLeft },
): Promise<TrainerOptions["checkpoints"]> {
  if (saveEvery === undefined) {
    if (saveTotalLimit === undefined) return undefined;
    throw new Error("--save-total-limit needs --save-every; give --save-every too");
  }
  const files = await folderFiles(output);
  const replaceFolder: typeof files.replaceFolder = async (name, contents) => {
    const removed = await removeOlderCheckpoints(output, metrics());
    if (removed.length > 0) note(`removed from ${output}, of an older run: ${removed.join(", ")}`);
    await files.replaceFolder?.(name, contents);
    left.did("save");
    kept.ofThisRun = true;
  };
  const companions = () => new Map([[metricsName, metrics()]]);
  return { folder: { ...files, replaceFolder }, every: saveEvery, saveTotalLimit, companions };
}

async function resume(trainer: Trainer, from: string, { allowChanges }: TrainCommandOptions): Promise<number> {
  try {
    return await trainer.resume(from, { allowChanges });
  } catch (error) {
    throw resumeFailure(from, error);
  }
}

/**
 * Returns the path of the newest complete checkpoint in a folder. Returns `folder` itself if it is a checkpoint, or if
 * it contains no checkpoint.
 */
async function checkpointOf(folder: string): Promise<string> {
  const isOne = await stat(join(folder, "trainer_state.json")).catch(() => null);
  const last = isOne ? null : await getLastCheckpoint(folder, () => {});
  return last === null ? folder : join(folder, last);
}

/**
 * Returns the error to throw for a failed training. Its message names options by their command-line flags. If this run
 * has a checkpoint, the message also names the newest one, and `--resume` with its path.
 */
async function withLastCheckpoint(
  error: unknown,
  { output }: TrainCommandOptions,
  { ofThisRun }: KeptCheckpoints,
): Promise<unknown> {
  if (!(error instanceof Error)) return error;
  const last = ofThisRun ? await getLastCheckpoint(output, () => {}).catch(() => null) : null;
  const kept = last === null ? "" : shellWord(join(output, last));
  const advice = kept && `; ${kept} holds what was trained until then: go on with --resume ${kept}`;
  return new Error(`${inFlags(error, trainFlag)}${advice}`, { cause: error });
}
