import { readdir, realpath } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { type EvaluateOptions, evaluate } from "@lowrank/train";
import { checkResumeExists } from "../../cli/loading/checkInputs.ts";
import { checkOutput, shellWord } from "../../cli/output.ts";
import { clearLeftovers } from "../../cli/outputs/clearLeftovers.ts";
import { withInterrupt } from "../../cli/process/interrupt.ts";
import { dryRun } from "./dryRun.ts";
import { digestFiles, digestModel } from "./files/fileDigests.ts";
import { removeOlderCheckpoints } from "./files/olderCheckpoints.ts";
import { type RunRecord, runConfigOf } from "./files/runConfig.ts";
import { runFolder } from "./files/saveRun.ts";
import { findRate } from "./findRate.ts";
import { type Learner, makeLearner } from "./learner.ts";
import { type PreparedRun, prepareRun } from "./prepareRun.ts";
import { lockName, lockRun } from "./runLock.ts";
import { loadTeacher } from "./teacher.ts";
import type { TrainCommandOptions } from "./train.ts";
import { lossOf, settingOf, type TrainedSteps, trainSteps } from "./trainSteps.ts";
import { baseCheck, nextSteps, resultOf, runSummary } from "./view/runSummary.ts";
import { areChats, promptOf, type SamplePrompt, samplePrompts } from "./view/sampleAnswers.ts";
import { type TrainReporter, trainReporter } from "./view/trainReporter.ts";

/** Runs `lowrank train` and locks its output folder. */
export async function runTraining(options: TrainCommandOptions): Promise<void> {
  if (options.allowChanges && options.resume === undefined) {
    throw new Error("--allow-changes needs --resume; give --resume, or leave --allow-changes out");
  }
  await checkResumeExists(options.resume);
  const voice = trainReporter(options);
  if (options.dryRun) return dryRun(options, voice);
  // A learning rate search writes no files.
  if (options.findLr) return trainInto(options, voice);
  await checkOutput(options.output, options.model);
  const release = await lockRun(options.output);
  try {
    await clearLeftovers(options.output);
    await checkNoRun(options);
    await trainInto(options, voice);
  } finally {
    await release();
  }
}

async function trainInto(options: TrainCommandOptions, voice: TrainReporter): Promise<void> {
  const prepared = await prepareRun(options, voice);
  const { loaded, data, config, batching, task } = prepared;
  const { model } = loaded;
  if (options.gradientCheckpointing) model.gradientCheckpointingEnable();
  const teacher = await loadTeacher(options, voice);
  const loss = lossOf(task, settingOf(options, prepared, teacher), teacher);
  const probeLoss = probeOf(prepared, loss);
  const baseLoss = await probeLoss();
  const firstTexts = data.first.map((example) => task.texts(example)[0]);
  const learner = await makeLearner(loaded, config, firstTexts, batching, options, voice.say);
  if (options.findLr)
    return findRate(learner, data.first, { batchSize: options.batchSize, ...loss }, { ...options, voice });
  const { adapted } = learner;
  // Measures the base model's loss while its adapter is off, with frozen weights and the run's precision.
  const { precision = "highest" } = options;
  for (const parameter of model.parameters()) parameter.precision = precision;
  const differs = learner.changesBase || precision !== "highest";
  const lossBefore = differs && adapted ? await adapted.disableAdapter(probeLoss) : baseLoss;
  const start = await startOf(options, prepared, learner);
  const prompts = await promptsOf(options, prepared);
  const note = () => voice.note("stopping after the last whole step; Ctrl-C again stops at once, and saves nothing");
  // Covers saving too: a late signal must not end the process before the results are saved.
  const interrupted = await withInterrupt(note, async (signal) => {
    const run = await trainSteps({ options, prepared, learner, prompts, voice, teacher }, signal);
    await saveResults({ options, prepared, learner, voice, start, lossBefore, probeLoss }, run);
    return run.interrupted;
  });
  if (interrupted) throw interrupted;
}

/** Values that are needed to save a finished run and to print its summary. */
interface FinishedRun {
  readonly options: TrainCommandOptions;
  readonly prepared: PreparedRun;
  readonly learner: Learner;
  readonly voice: TrainReporter;
  readonly start: Start;
  /** Loss of the base model before training. */
  readonly lossBefore: number;
  readonly probeLoss: () => Promise<number>;
}

/** Writes a run's result files and prints its summary. */
async function saveResults(
  { options, prepared, learner, voice, start, lossBefore, probeLoss }: FinishedRun,
  run: TrainedSteps,
): Promise<void> {
  const { adapted } = learner;
  const lossAfter = adapted && (await adapted.disableAdapter(probeLoss));

  const record = { ...(await recordOf(options, prepared, learner, run, start)), warnings: voice.warnings };
  const verified = await learner.save(await runFolder(options.output, record, run.log.text));
  run.log.end();
  const removed = run.interrupted ? [] : await removeOlderCheckpoints(options.output, run.log.text);
  if (removed.length > 0) voice.note(`removed from ${options.output}, of an older run: ${removed.join(", ")}`);
  const files = await filesIn(options.output);
  for (const line of runSummary(run, record, options)) voice.say(line);
  if (lossAfter !== null) voice.say(baseCheck(lossBefore, lossAfter));
  if (verified !== null) voice.say(verified);
  const texts = prepared.data.first.slice(0, 1).map((example) => prepared.task.texts(example)[0]);
  const chats = prepared.task.kind.writes && (await areChats(prepared.loaded.tokenizer, texts));
  for (const line of nextSteps(options, prepared, learner, { files, chats })) voice.say(line);
  voice.result(resultOf(options, record, run, files));
}

/** Returns a function that measures the base model's loss on a few examples, to detect changes of its weights. */
function probeOf({ loaded, data, batching, task }: PreparedRun, loss: object): () => Promise<number> {
  const { batchSize, ...padding } = batching;
  const some = (data.validation.length > 0 ? data.validation : data.first).slice(0, batchSize);
  const examples = task.probesOwn ? some : some.map((example) => task.texts(example)[0]);
  const options = { batchSize, ...(task.probesOwn ? loss : padding) };
  return async () => (await evaluate(loaded.model as never, examples as never, options as EvaluateOptions)).loss;
}

type Start = Omit<Parameters<typeof runConfigOf>[0], "options">;

/** Returns the facts for a run's config that are known before the first step. */
async function startOf(options: TrainCommandOptions, prepared: PreparedRun, learner: Learner): Promise<Start> {
  const { loaded, data, steps, evalEvery, lengths, labels } = prepared;
  const files = options.validation === undefined ? options.data : [...options.data, options.validation];
  const adapter = (await learner.adapted?.adapterFiles())?.get("adapter_config.json");
  return {
    found: { lr: learner.learningRate, ...lengths, ...(evalEvery !== undefined && { evalEvery }) },
    resolved: {
      steps,
      trainExamples: data.train.length,
      validationExamples: data.validation.length,
      ...(labels.length > 0 && { labels }),
      adapter: typeof adapter === "string" ? JSON.parse(adapter) : undefined,
    },
    backend: loaded.backend,
    data: await digestFiles(files),
    model: await digestModel(options.model),
  };
}

async function promptsOf(
  options: TrainCommandOptions,
  { loaded, data, lengths, task }: PreparedRun,
): Promise<SamplePrompt[]> {
  if (!task.kind.writes) return [];
  const { tokenizer } = loaded;
  const { maxLength } = lengths;
  const textsOf = (examples: readonly unknown[]) => examples.map((example) => task.texts(example)[0]);
  if (options.samplePrompt === undefined) {
    const examples = data.validation.length > 0 ? data.validation : data.first;
    return samplePrompts(tokenizer, textsOf(examples), { count: options.samples, maxLength });
  }
  const prompts = await Promise.all(options.samplePrompt.map((text) => promptOf(tokenizer, text, textsOf(data.first))));
  const long = prompts.find(({ ids }) => ids.length >= maxLength);
  if (!long) return prompts;
  throw new Error(
    `--sample-prompt ${JSON.stringify(long.text)} has ${long.ids.length} tokens, which leaves no room for an answer within ${maxLength} tokens; give a shorter one`,
  );
}

async function recordOf(
  options: TrainCommandOptions,
  { data, task, labels }: PreparedRun,
  learner: Learner,
  { result, maxSteps, log }: TrainedSteps,
  start: Start,
): Promise<Omit<RunRecord, "warnings">> {
  const { config, targets, model } = learner;
  let [trainable, all] = [0, 0];
  for (const { size, requiresGrad } of model.parameters()) {
    all += size;
    if (requiresGrad) trainable += size;
  }
  return {
    name: basename(resolve(options.output)),
    config: await runConfigOf({ options, ...start }),
    metrics: log.lines,
    steps: result.steps,
    maxSteps,
    kind: task.kind,
    labels,
    peftType: config?.peftType ?? null,
    baseModel: config?.baseModelNameOrPath ?? options.model,
    targets,
    parameters: { trainable, all },
    data: data.description,
    tokens: result.tokens,
    seconds: result.seconds,
    peakMemory: process.resourceUsage().maxRSS * 1024,
  };
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  return entries
    .flatMap((entry) => (entry.isFile() && entry.name !== lockName ? [entry.name] : []))
    .sort((a, b) => a.localeCompare(b));
}

/** Options that decide if a run may write to its folder. */
interface RunPlace {
  output: string;
  overwrite?: boolean;
  resume?: string;
}

/** Returns true for the name of a checkpoint's folder. */
const isCheckpoint = (name: string): boolean => /^checkpoint-\d+$/.test(name);

/**
 * Throws if the folder holds results or checkpoints of another run and `--overwrite` is missing. Resuming that run is
 * allowed.
 */
export async function checkNoRun({ output, overwrite, resume }: RunPlace): Promise<void> {
  if (overwrite || (resume !== undefined && (await isIn(resume, output)))) return;
  const names = (await readdir(output)).sort();
  const folder = shellWord(output);
  const isModel = names.some((name) => /^model(\.|-\d).*safetensors/.test(name));
  const checkpoints = names.filter(isCheckpoint);
  const results = names.filter((name) => name === "adapter_config.json" || (isModel && name === "config.json"));
  if (results.length > 0) {
    const held = `--output ${output} holds the results of a run (${results.join(", ")})`;
    const resumed = checkpoints.length > 0 ? `continue with --resume ${folder}, ` : "";
    throw new Error(`${held}; ${resumed}give another folder, or --overwrite to replace them`);
  }
  if (checkpoints.length === 0) return;
  const held = `--output ${output} holds checkpoints of a run that did not end (${checkpoints.join(", ")})`;
  throw new Error(`${held}; go on with --resume ${folder}, or give --overwrite to begin again`);
}

/** Returns true if `--resume` names the run's folder or a checkpoint in it. */
async function isIn(resume: string, output: string): Promise<boolean> {
  const real = (path: string) => realpath(path).catch(() => resolve(path));
  const [from, to] = [await real(resume), await real(output)];
  return from === to || (isCheckpoint(basename(from)) && dirname(from) === to);
}
