import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { parseHubAddress } from "@lowrank/files";
import type { QuantizeOptions } from "@lowrank/nn";
import type { PeftOptions } from "@lowrank/peft";
import {
  evaluate,
  getLastCheckpoint,
  Trainer,
  type TrainerOptions,
  type TrainingResult,
  trainingSteps,
} from "@lowrank/train";
import { findMethods, quantizedWords } from "../report/methods.ts";
import { describeBackend } from "./backends.ts";
import { clearLeftovers } from "./clearLeftovers.ts";
import { findRate } from "./findRate.ts";
import { type Interrupted, withInterrupt } from "./interrupt.ts";
import { type Learner, makeLearner } from "./learner.ts";
import { loadWithTokenizer, storedQuantization, warn } from "./loading.ts";
import { checkOutput, shellWord } from "./output.ts";
import { describeQuantization, givenQuantizeOptions, quantizeWords, toQuantizeOptions } from "./quantizeOptions.ts";
import { lockName, lockRun } from "./runLock.ts";
import type { TrainCommandOptions } from "./train.ts";
import { readTrainData, type TrainData } from "./trainData.ts";
import { trainedConfig } from "./trainedConfig.ts";
import { describeEvaluation, trainerSettings } from "./trainerFlags.ts";
import { resumeFailure, withFlags } from "./trainFlags.ts";
import { formatSeconds, trainProgress } from "./trainProgress.ts";
import { virtualTokens } from "./virtualTokens.ts";

/** Runs `lowrank train`, as the only one in its folder. */
export async function runTraining(options: TrainCommandOptions): Promise<void> {
  if (options.allowChanges && options.resume === undefined) {
    throw new Error("--allow-changes is for --resume; leave it out");
  }
  // A search of the learning rate writes nothing.
  if (options.findLr) return trainInto(options);
  await checkOutput(options.output, options.model);
  const release = await lockRun(options.output);
  try {
    await clearLeftovers(options.output);
    await trainInto(options);
  } finally {
    await release();
  }
}

async function trainInto(options: TrainCommandOptions): Promise<void> {
  const configFor = await trainedConfig(options);
  console.error(`loading ${options.model}`);
  const loaded = await loadBase(options);
  const { model, tokenizer, generationConfig, quantize, backend } = loaded;
  if (backend.adapter !== undefined) console.log(`backend: ${describeBackend(backend)}`);
  const lengths = sequenceLengths(options, model.maxPositions, await virtualTokens(configFor(1)));
  console.error(`reading and tokenizing ${options.data.join(", ")}`);
  const data = await readTrainData(tokenizer, { ...options, ...lengths });
  console.log(`data: ${data.description}`);
  const cut = data.train.filter(({ inputIds }) => inputIds.length > lengths.maxLength).length;
  if (cut > 0) {
    const most = `${lengths.maxLength} tokens (--max-length)`;
    const message = `${cut} of ${data.train.length} examples are longer than ${most}; what goes beyond is not learned`;
    warn({ code: "cut-examples", message });
  }

  const padTokenId = tokenizer.padTokenId ?? generationConfig?.padTokenId ?? tokenizer.eosTokenId ?? 0;
  const batching = { batchSize: options.batchSize, padTokenId, maxLength: lengths.maxLength };
  const { accumulate: gradientAccumulationSteps, batchSize, epochs } = options;
  const steps = options.steps ?? trainingSteps(data.train.length, { batchSize, gradientAccumulationSteps, epochs });
  const found = configFor(steps);
  const config = found?.with(baseOf(options.model)) ?? null;

  if (options.gradientCheckpointing) model.gradientCheckpointingEnable();
  const probe = (data.validation.length > 0 ? data.validation : data.train).slice(0, options.batchSize);
  const probeLoss = async () => (await evaluate(model, probe, batching)).loss;
  const baseLoss = await probeLoss();
  const learner = await makeLearner(loaded, config, data.train, batching, options);
  if (options.findLr) return findRate(learner, data.train, batching, options);
  const { adapted } = learner;
  const lossBefore = learner.changesBase && adapted ? await adapted.disableAdapter(probeLoss) : baseLoss;
  const run = await train(learner, data, batching, options);
  const verified = await learner.save(options.output);

  const lossAfter = adapted && (await adapted.disableAdapter(probeLoss));
  console.log(summary(run).join("\n"));
  if (lossAfter !== null) console.log(baseCheck(lossBefore, lossAfter));
  if (verified !== null) console.log(verified);
  console.log(nextSteps(options, learner, await filesIn(options.output), quantize).join("\n"));
  if (run.interrupted) throw run.interrupted;
}

/**
 * Loads the model, in 4 bits where the method has it so; one that is in 4 bits on
 * disk already stays as it is.
 */
async function loadBase(options: TrainCommandOptions) {
  const given = givenQuantizeOptions(options);
  if (!findMethods([options.method])[0].quantized) {
    if (given.length > 0) throw new Error(`${given.join(", ")} is for ${quantizedWords()}; add that, or leave it out`);
    return { ...(await loadWithTokenizer(options.model, options)), quantize: undefined };
  }
  const stored = await storedQuantization(options.model);
  if (stored && given.length > 0) {
    throw new Error(`${options.model} is quantised already, to ${stored.quantType}; leave ${given.join(", ")} out`);
  }
  const quantize = stored ? undefined : toQuantizeOptions(options);
  const loaded = await loadWithTokenizer(options.model, { ...options, quantize });
  if (stored) console.log(`base model: in ${stored.quantType} on disk already`);
  if (quantize && loaded.quantization) console.log(describeQuantization(loaded.quantization, quantize));
  return { ...loaded, quantize };
}

/**
 * Tokens in a block and in an example; throws where the model has fewer positions
 * beside the virtual tokens.
 */
function sequenceLengths(
  options: TrainCommandOptions,
  positions: number,
  virtual: number,
): { blockSize: number; maxLength: number } {
  const most = positions - virtual;
  const beside = virtual === 0 ? "" : ` beside ${virtual} virtual tokens`;
  if (most < 2) throw new Error(`the model has ${positions} positions, which leaves no room${beside}; take fewer`);
  const { blockSize = Math.min(256, most), maxLength = most } = options;
  for (const [name, value] of Object.entries({ "--block-size": blockSize, "--max-length": maxLength })) {
    if (value > most)
      throw new Error(`${name} is ${value}, but the model has ${most} positions${beside}; give ${most} or less`);
  }
  return { blockSize, maxLength };
}

/** Returns the fields of an adapter's configuration by which PEFT finds its base model. */
function baseOf(model: string): Pick<PeftOptions, "baseModelNameOrPath" | "revision"> {
  const place = parseHubAddress(model);
  if (place?.path !== "") return { baseModelNameOrPath: model };
  return { baseModelNameOrPath: place.repo, revision: place.revision === "main" ? null : place.revision };
}

/** The result of a training, and the duration of each step. */
interface Run {
  result: TrainingResult;
  stepSeconds: readonly number[];
  maxSteps: number;
  /** The signal that ended it before its last step; null for a whole run. */
  interrupted: Interrupted | null;
}

async function train(
  { model, optimizer }: Learner,
  data: TrainData,
  batching: { batchSize: number; padTokenId: number; maxLength: number },
  options: TrainCommandOptions,
): Promise<Run> {
  const progress = trainProgress(process.stderr);
  const stepSeconds: number[] = [];
  const work = async (signal: AbortSignal) => {
    const trainer = new Trainer(model, data.train, {
      ...batching,
      signal,
      maxSteps: options.steps,
      epochs: options.epochs,
      gradientAccumulationSteps: options.accumulate,
      ...optimizer,
      schedule: options.schedule,
      warmupSteps: options.warmupSteps,
      maxGradNorm: options.maxGradNorm,
      seed: options.seed,
      ...trainerSettings(options, data.validation),
      checkpoints: checkpointing(options),
      onStep: (report) => {
        stepSeconds.push(report.seconds);
        progress.step(report);
      },
      onWarning: warn,
      onEvaluation: (step, evaluation) => progress.note(`step ${step}: ${describeEvaluation(evaluation)}`),
    });
    if (options.resume !== undefined) await resume(trainer, options.resume, options);
    const result = await trainer.train();
    const interrupted = result.aborted ? (signal.reason as Interrupted) : null;
    return { result, stepSeconds, maxSteps: trainer.maxSteps, interrupted };
  };
  try {
    const note = () =>
      progress.note("stopping after the last whole step; Ctrl-C again stops at once, and saves nothing");
    return await withInterrupt(note, work);
  } catch (error) {
    throw await withLastCheckpoint(error, options);
  } finally {
    progress.end();
  }
}

function checkpointing({ output, saveEvery, saveTotalLimit }: TrainCommandOptions): TrainerOptions["checkpoints"] {
  if (saveEvery !== undefined) return { folder: output, every: saveEvery, saveTotalLimit };
  if (saveTotalLimit !== undefined) throw new Error("--save-total-limit is for --save-every; give that too");
  return undefined;
}

async function resume(trainer: Trainer, from: string, { allowChanges }: TrainCommandOptions): Promise<void> {
  try {
    await trainer.resume(from, { allowChanges });
  } catch (error) {
    throw resumeFailure(from, error);
  }
}

/**
 * The error that ended a training, in the command's own words, with the checkpoint that holds what
 * was trained until then.
 */
async function withLastCheckpoint(error: unknown, { output, saveEvery }: TrainCommandOptions): Promise<unknown> {
  if (!(error instanceof Error)) return error;
  const last = saveEvery ? await getLastCheckpoint(output, () => {}).catch(() => null) : null;
  const kept = last === null ? "" : shellWord(join(output, last));
  const advice = kept && `; ${kept} holds what was trained until then: go on with --resume ${kept}`;
  return new Error(`${withFlags(error.message)}${advice}`, { cause: error });
}

function summary({ result, stepSeconds, maxSteps }: Run): string[] {
  const lines: string[] = [];
  const ends = new Set([...result.evaluations.slice(0, 1), ...result.evaluations.slice(-1)]);
  const losses = Array.from(ends, ({ step, evaluation: { loss, perplexity } }) => {
    return `${loss.toFixed(4)} at step ${step} (perplexity ${perplexity.toFixed(1)})`;
  });
  if (losses.length > 0) lines.push(`validation loss, nats per token: ${losses.join(", ")}`);
  if (result.best) lines.push(`best evaluation: that of step ${result.best.step}, ${result.best.metric.toFixed(4)}`);
  if (result.stoppedEarly) lines.push(`stopped early, after step ${result.steps} of ${maxSteps}`);
  else if (result.steps < maxSteps)
    lines.push(`stopped after step ${result.steps} of ${maxSteps}; the adapter is as it was then`);
  if (stepSeconds.length > 0) {
    const median = stepSeconds.toSorted((a, b) => a - b)[Math.floor(stepSeconds.length / 2)];
    const speed = Math.round(result.tokens / result.seconds).toLocaleString("en-US");
    const took = `${stepSeconds.length} steps in ${formatSeconds(result.seconds)}`;
    lines.push(`speed: ${took}, ${speed} tokens/s, ${Math.round(median * 1000)} ms a step (median)`);
  }
  lines.push(`peak memory: ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB`);
  return lines;
}

/** Returns a line that says whether the base model, with the adapter off, answers as before. */
function baseCheck(before: number, after: number): string {
  const losses = `loss ${before.toFixed(6)} before, ${after.toFixed(6)} after`;
  if (Object.is(before, after)) return `base model with the adapter off: ${losses}, bit-identical`;
  throw new Error(
    `the base model with the adapter off has changed: ${losses}; the adapter was saved, but is not to be trusted`,
  );
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  return entries
    .flatMap((entry) => (entry.isFile() && entry.name !== lockName ? [entry.name] : []))
    .sort((a, b) => a.localeCompare(b));
}

function nextSteps(
  { model, output }: TrainCommandOptions,
  { adapted, mergeable, note }: Learner,
  files: readonly string[],
  quantize?: QuantizeOptions,
): string[] {
  const wrote = [`wrote ${output}: ${files.join(", ")}`, ...(note === null ? [] : [note]), "next:"];
  if (!adapted) return [...wrote, `  lowrank generate --model ${shellWord(output)} --prompt "..."`];
  const folders = `--model ${shellWord(model)} --adapter ${shellWord(output)}`;
  const asTrained = quantize ? `${folders} ${quantizeWords(quantize)}` : folders;
  const merged = shellWord(`${output.replace(/\/+$/, "")}-merged`);
  return [
    ...wrote,
    `  lowrank generate ${asTrained} --prompt "..."`,
    ...(mergeable ? [`  lowrank merge ${asTrained} --output ${merged}`] : []),
    // A server takes a model as it is on disk, and several adapters at once.
    ...(mergeable && !quantize ? [`  lowrank serve ${shellWord(model)} --adapter mine=${shellWord(output)}`] : []),
  ];
}
